// Making and mapping the file of the rings; see the headers.

#include "record/rings_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reserve.h"

#define FILE_NEW SPY__RINGS_FILE ".new"
#define PAGE ((size_t)4096) // what offsets are rounded to; larger pages divide ring_bytes too
#define HEAD_ALIGN ((size_t)65536) // the largest page of arm64

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t head_bytes(const struct spy__rings_header *shape)
{
    return round_up(PAGE + (shape->slots + 1) * sizeof(struct spy__slot), HEAD_ALIGN);
}

static size_t file_bytes(const struct spy__rings_header *shape)
{
    return head_bytes(shape) + (shape->slots + 1) * (size_t)shape->ring_bytes;
}

static void *map_or_null(void *at, size_t n, int prot, int flags, int fd, size_t offset)
{
    void *p = mmap(at, n, prot, flags, fd, (off_t)offset);
    return p == MAP_FAILED ? NULL : p;
}

// What is mapped: a file, or where fd is -1 shared memory at `bytes`. (A memfd has the limit on file
// sizes that a host may have set.)
struct memory {
    int fd;
    unsigned char *bytes;
};

// n bytes of it from `offset` on, at `at` where that is not NULL.
static void *map_part(const struct memory *of, void *at, size_t n, size_t offset)
{
    if (of->fd >= 0) {
        return map_or_null(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), of->fd,
                           offset);
    }
    // mremap(2): with an old size of zero, a shared mapping is mapped once more.
    void *p = mremap(of->bytes + offset, 0, n, MREMAP_MAYMOVE | (at ? MREMAP_FIXED : 0), at);
    return p == MAP_FAILED ? NULL : p;
}

// A ring's bytes, twice in a row from `at`.
static bool map_ring(const struct memory *of, unsigned char *at, size_t n, size_t offset)
{
    return map_part(of, at, n, offset) && map_part(of, at + n, n, offset);
}

void spy__rings_unmap(struct spy__rings_map *map)
{
    if (map->header) {
        munmap(map->header, map->head_bytes);
    }
    if (map->data) {
        munmap(map->data, map->data_bytes);
    }
    *map = (struct spy__rings_map){ 0 };
}

static int map_all(struct spy__rings_map *ret, const struct spy__rings_header *shape,
                   const struct memory *of)
{
    struct spy__rings_map map = { .head_bytes = head_bytes(shape) };
    const size_t n = (size_t)shape->ring_bytes, rings = shape->slots + 1u;
    map.data_bytes = 2 * n * rings;
    map.header = map_part(of, NULL, map.head_bytes, 0);
    map.data = map_or_null(NULL, map.data_bytes, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool good = map.header && map.data;
    for (size_t i = 0; good && i < rings; i++) {
        good = map_ring(of, map.data + 2 * i * n, n, map.head_bytes + i * n);
    }
    if (!good) {
        int err = errno;
        spy__rings_unmap(&map);
        return -err;
    }
    map.slots = (struct spy__slot *)(void *)((unsigned char *)map.header + PAGE);
    *ret = map;
    return 0;
}

static void read_boot_id(char out[40])
{
    ssize_t n = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, out, 36);
        close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
}

// The magic goes last: a start that dies on the way leaves no file to be read.
static void make_empty(struct spy__rings_map *map, const struct spy__rings_header *shape)
{
    struct spy__rings_header *header = map->header;
    memset(header->magic, 0, sizeof(header->magic));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memset(map->slots, 0, (shape->slots + 1) * sizeof(*map->slots));
    struct spy__rings_header made = *shape;
    memset(made.magic, 0, sizeof(made.magic));
    made.endian = SPY__RINGS_ENDIAN;
    made.version = SPY__RINGS_VERSION;
    made.slot_size = sizeof(struct spy__slot);
    made.slots_offset = PAGE;
    made.data_offset = map->head_bytes;
    made.pid = (uint64_t)getpid();
    made.clean = 0;
    read_boot_id(made.boot_id);
    *header = made;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(header->magic, SPY__RINGS_MAGIC, sizeof(header->magic));
}

static int map_file(struct spy__rings_map *ret, int dir_fd, const struct spy__rings_header *shape)
{
    bool is_new;
    int fd = spy__reserve_open(dir_fd, SPY__RINGS_FILE, FILE_NEW, file_bytes(shape), &is_new);
    if (fd < 0) {
        return fd;
    }
    int err = spy__reserve(fd, file_bytes(shape));
    err = err ? err : map_all(ret, shape, &(struct memory){ fd, NULL });
    close(fd);
    if (err == 0) {
        ret->in_file = true;
        // Now, so that no caller waits for the disk at its first touch of a page.
        (void)spy__reserve_populate(ret->header, ret->head_bytes);
        (void)spy__reserve_populate(ret->data, ret->data_bytes);
        make_empty(ret, shape);
        if (is_new && renameat(dir_fd, FILE_NEW, dir_fd, SPY__RINGS_FILE) != 0) {
            err = -errno;
            spy__rings_unmap(ret);
        }
    }
    if (err != 0 && is_new) {
        (void)unlinkat(dir_fd, FILE_NEW, 0);
    }
    return err;
}

// For where mremap(2) cannot do that (valgrind, qemu-user).
static int map_memfd(struct spy__rings_map *ret, const struct spy__rings_header *shape)
{
    int fd = memfd_create("spyglass-rings", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int err = spy__reserve(fd, file_bytes(shape));
    err = err ? err : map_all(ret, shape, &(struct memory){ fd, NULL });
    close(fd);
    return err;
}

// What is never touched costs address space alone.
static int map_anonymous(struct spy__rings_map *ret, const struct spy__rings_header *shape)
{
    const size_t n = file_bytes(shape);
    struct memory of = { -1, map_or_null(NULL, n, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) };
    if (!of.bytes) {
        return -errno;
    }
    int err = map_all(ret, shape, &of);
    munmap(of.bytes, n);
    if (err != 0) {
        err = map_memfd(ret, shape);
    }
    if (err == 0) {
        make_empty(ret, shape);
    }
    return err;
}

int spy__rings_map(struct spy__rings_map *ret, const char *state_dir,
                   const struct spy__rings_header *shape)
{
    *ret = (struct spy__rings_map){ 0 };
    if (!state_dir) {
        return map_anonymous(ret, shape);
    }
    int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int err = map_file(ret, dir_fd, shape);
    close(dir_fd);
    return err;
}
