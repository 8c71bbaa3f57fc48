// main() of a fuzz target built without libFuzzer: runs it once on each file of the folders named
// on the command line, so that the kept corpus is a test under any compiler.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_BYTES_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    size_t size;
    if (!data || !file) {
        perror(path);
        exit(1);
    }
    size = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    uint8_t *exact = realloc(data, size ? size : 1); // so that a read past the end is seen
    (void)LLVMFuzzerTestOneInput(exact ? exact : data, size);
    free(exact ? exact : data);
    return 1;
}

static int replay_folder(const char *folder)
{
    char path[4096];
    int count = 0;
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0) {
        perror(folder);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
            count += replay_file(path);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay_folder(argv[i]);
    }
    (void)printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
