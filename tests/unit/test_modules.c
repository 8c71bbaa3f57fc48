// The list of what is loaded: as the loader tells it, and as notes of any bytes would.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "profile/modules.h"
#include "profile/stacks.h"

static struct spy__modules modules;

static int tear_down(void **state)
{
    (void)state;
    spy__modules_done(&modules);
    return 0;
}

// A loader that has one module of these segments, `fakes` times.
static struct dl_phdr_info fake;
static int fakes;

static int fake_loader(int (*module)(struct dl_phdr_info *info, size_t size, void *arg), void *arg)
{
    int result = 0;
    for (int i = 0; i < fakes && result == 0; i++) {
        struct dl_phdr_info info = fake;
        info.dlpi_addr += (uintptr_t)i * 4096;
        result = module(&info, sizeof(info), arg);
    }
    return result;
}

static const char *build_id_by_readelf(const char *path)
{
    static char id[2 * SPY__BUILD_ID_MAX + 1];
    char command[PATH_MAX + 64], line[256];
    snprintf(command, sizeof(command), "readelf -n '%s' 2>/dev/null", path);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    id[0] = '\0';
    while (fgets(line, sizeof(line), said)) {
        (void)sscanf(line, " Build ID: %64[0-9a-f]", id);
    }
    (void)pclose(said);
    return id;
}

static void everything_loaded_is_listed(void **state)
{
    char exe[PATH_MAX];
    (void)state;
    assert_true(spy__modules_changed(&modules));
    assert_int_equal(spy__modules_read(&modules), 0);
    assert_false(spy__modules_changed(&modules));
    assert_true(modules.count >= 3); // the program, libc, the loader
    for (size_t i = 0; i < modules.count; i++) {
        const struct spy__module *m = &modules.list[i];
        assert_true(m->start < m->end);
        assert_true(i == 0 || modules.list[i - 1].end <= m->start);
        assert_ptr_equal(spy__modules_find(&modules, m->start), m);
        assert_ptr_equal(spy__modules_find(&modules, m->end - 1), m);
    }
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    const struct spy__module *program =
        spy__modules_find(&modules, (uintptr_t)everything_loaded_is_listed);
    assert_true(program->is_program);
    assert_string_equal(program->path, exe);
    assert_string_equal(program->build_id, build_id_by_readelf(exe));
    const struct spy__module *libc =
        spy__modules_find(&modules, (uintptr_t)dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
    assert_non_null(libc);
    assert_false(libc->is_program);
    assert_string_equal(libc->build_id, build_id_by_readelf(libc->path));
    assert_null(spy__modules_find(&modules, 0));
    assert_null(spy__modules_find(&modules, UINTPTR_MAX));
}

static void an_address_has_its_module_with_libdw_or_without(void **state)
{
    (void)state;
    struct spy__frame frame;
    struct spy__stacks *stacks = spy__stacks_new();
    assert_int_equal(spy__modules_read(&modules), 0);
    const struct spy__module *program = spy__modules_find(&modules, (uintptr_t)tear_down);
    uintptr_t address = (uintptr_t)tear_down + 1;
    assert_int_equal(spy__stacks_resolve(stacks, &frame, 1, &address, 1), 1);
    assert_int_equal(frame.address, address);
    assert_string_equal(frame.module, program_invocation_short_name);
    assert_string_equal(frame.build_id, program->build_id);
    assert_int_equal(frame.offset, address - program->bias);
    spy__stacks_free(stacks);
}

// ---- notes

static _Alignas(8) unsigned char notes[256];
static size_t notes_len;

static void put_note(uint32_t type, const char *name, uint32_t name_bytes, uint32_t id_bytes,
                     size_t align)
{
    const ElfW(Nhdr) head = { name_bytes, id_bytes, type };
    memcpy(notes + notes_len, &head, sizeof(head));
    memcpy(notes + notes_len + sizeof(head), name, 4);
    size_t text = (notes_len + sizeof(head) + 4 + align - 1) & ~(align - 1);
    for (size_t i = 0; i < id_bytes && text + i < sizeof(notes); i++) {
        notes[text + i] = (unsigned char)(0xa0 + i);
    }
    notes_len = (text + (id_bytes < 64 ? id_bytes : 64) + align - 1) & ~(align - 1);
}

// The build id that is found in the notes.
static const char *found(size_t align, size_t bytes, size_t loaded_bytes)
{
    const ElfW(Phdr) segments[] = {
        { .p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0x10, .p_memsz = loaded_bytes },
        { .p_type = PT_NOTE, .p_flags = PF_R, .p_vaddr = 0x10, .p_memsz = bytes, .p_align = align },
    };
    fake = (struct dl_phdr_info){ .dlpi_addr = (uintptr_t)notes - 0x10,
                                  .dlpi_name = "/x.so",
                                  .dlpi_phdr = segments,
                                  .dlpi_phnum = 2 };
    fakes = 1;
    assert_int_equal(spy__modules_read_from(&modules, fake_loader), 0);
    notes_len = 0;
    assert_int_equal(modules.count, 1);
    assert_int_equal(modules.list[0].start, (uintptr_t)notes);
    return modules.list[0].build_id;
}

static void build_ids_come_from_notes_of_any_bytes(void **state)
{
    (void)state;
    put_note(NT_GNU_BUILD_ID, "GNU", 4, 5, 4);
    assert_string_equal(found(4, notes_len, sizeof(notes)), "a0a1a2a3a4");
    put_note(NT_GNU_PROPERTY_TYPE_0, "GNU", 4, 16, 8);
    put_note(NT_GNU_BUILD_ID, "GNU", 4, 3, 8);
    assert_string_equal(found(8, notes_len, sizeof(notes)), "a0a1a2");
    put_note(NT_GNU_BUILD_ID, "Go\0", 4, 3, 4);
    put_note(NT_GNU_BUILD_ID, "GNU", 4, 2, 4);
    assert_string_equal(found(1, notes_len, sizeof(notes)), "a0a1");

    put_note(NT_GNU_BUILD_ID, "GNU", 4, 0, 4);
    assert_string_equal(found(4, notes_len, sizeof(notes)), "");
    put_note(NT_GNU_BUILD_ID, "GNU", 4, SPY__BUILD_ID_MAX + 1, 4);
    assert_string_equal(found(4, notes_len, sizeof(notes)), "");
    put_note(NT_GNU_BUILD_ID, "GNU", 4, UINT32_MAX, 4);
    assert_string_equal(found(4, notes_len, sizeof(notes)), "");
    put_note(NT_GNU_ABI_TAG, "GNU", UINT32_MAX, 4, 4);
    assert_string_equal(found(4, notes_len, sizeof(notes)), "");
    put_note(NT_GNU_BUILD_ID, "GNU", 4, 5, 4);
    for (size_t bytes = 0; bytes < 21; bytes++) {
        size_t len = notes_len;
        assert_string_equal(found(4, bytes, sizeof(notes)), "");
        notes_len = len;
    }
    // Not in memory, as far as the loaded segments go.
    assert_string_equal(found(4, 24, 23), "");
    assert_string_equal(found(4, 24, 24), "a0a1a2a3a4");
}

static void the_list_is_bounded(void **state)
{
    static const ElfW(Phdr) segment = { .p_type = PT_LOAD, .p_flags = PF_R, .p_memsz = 4096 };
    (void)state;
    fake = (struct dl_phdr_info){
        .dlpi_addr = 0x10000, .dlpi_name = "/x.so", .dlpi_phdr = &segment, .dlpi_phnum = 1
    };
    fakes = SPY__LOADED_MAX + 5;
    assert_int_equal(spy__modules_read_from(&modules, fake_loader), 0);
    assert_int_equal(modules.count, SPY__LOADED_MAX);
    assert_non_null(spy__modules_find(&modules, 0x10000));
    // Nothing loaded at all: not listed.
    fake.dlpi_phnum = 0;
    assert_int_equal(spy__modules_read_from(&modules, fake_loader), 0);
    assert_int_equal(modules.count, 0);
}

static void without_memory_the_list_stays(void **state)
{
    (void)state;
    assert_int_equal(spy__modules_read(&modules), 0);
    size_t count = modules.count;
    int err = -ENOMEM;
    for (long n = 0; err != 0; n++) {
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(modules.count, count);
        assert_non_null(spy__modules_find(&modules, (uintptr_t)tear_down));
        alloc_fail_after(n);
        err = spy__modules_read(&modules);
        alloc_fail_never();
    }
    assert_int_equal(modules.count, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_loaded_is_listed, tear_down),
        cmocka_unit_test_teardown(an_address_has_its_module_with_libdw_or_without, tear_down),
        cmocka_unit_test_teardown(build_ids_come_from_notes_of_any_bytes, tear_down),
        cmocka_unit_test_teardown(the_list_is_bounded, tear_down),
        cmocka_unit_test_teardown(without_memory_the_list_stays, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
