// profile_files DIR: the profile of profile_rig.h in all its forms, for the outside readers.
#include <stdio.h>

#include "encode/flamegraph.h"
#include "encode/folded.h"
#include "encode/pprof.h"
#include "encode/speedscope.h"
#include "profile_rig.h"

#define BYTES_MAX (1u << 24)

static int write_file(const char *folder, const char *name, struct spy__buf *out)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    bool ok = file && fwrite(out->bytes, 1, out->len, file) == out->len;
    ok = file && fclose(file) == 0 && ok;
    spy__buf_reset(out);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct spy__profile *p = profile_rig_new();
    struct spy__buf out;
    int rc = 0;
    if (argc != 2 || !p) {
        return 1;
    }
    spy__buf_init(&out, BYTES_MAX);
    rc |= spy__encode_pprof(&out, p) | write_file(argv[1], "profile.pb", &out);
    rc |= spy__encode_folded(&out, p, true) | write_file(argv[1], "profile.folded", &out);
    rc |= spy__encode_speedscope(&out, p, "rig", true) |
          write_file(argv[1], "profile.speedscope.json", &out);
    rc |= spy__encode_flamegraph(&out,
                                 &(struct spy__flamegraph){ .profile = p, .title = "GET /rig" }) |
          write_file(argv[1], "profile.html", &out);
    spy__buf_done(&out);
    spy__profile_free(p);
    return rc ? 1 : 0;
}
