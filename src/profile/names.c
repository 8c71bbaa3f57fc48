#include "profile/names.h"

#include <stdlib.h>

#include "profile/modules.h"
#include "profile/stacks.h"

// A function, and what is inlined in it.
#define FRAMES_MAX 64u

// The module's index in the profile, where it goes when one of its locations is met.
static uint32_t index_of(struct spy__profile *profile, const struct spy__modules *modules,
                         uint32_t *indices, uintptr_t address)
{
    const struct spy__module *module = spy__modules_find(modules, address);
    if (!module) {
        return SPY__PROFILE_NONE;
    }
    uint32_t *index = &indices[module - modules->list];
    if (*index == 0) { // indices are those of the profile + 1
        *index = 1 + spy__profile_add_module(profile, &(struct spy__profile_module){
                                                          .path = module->path,
                                                          .build_id = module->build_id,
                                                          .start = module->start,
                                                          .end = module->end,
                                                          .bias = module->bias,
                                                          .is_program = module->is_program });
    }
    return *index - 1;
}

void spy__profile_name(struct spy__profile *profile)
{
    struct spy__modules modules = { 0 };
    struct spy__frame frames[FRAMES_MAX];
    uint32_t *indices = spy__modules_read(&modules) == 0 && modules.count > 0
                            ? calloc(modules.count, sizeof(*indices))
                            : NULL;
    for (uint32_t i = 0; indices && i < profile->location_count; i++) {
        const uintptr_t return_address = profile->locations[i].address + 1;
        uint32_t module = index_of(profile, &modules, indices, profile->locations[i].address);
        size_t n = spy__stacks_name(frames, FRAMES_MAX, &return_address, 1);
        bool known = n > 0 && (frames[0].function || frames[0].file);
        (void)spy__profile_name_location(profile, i, module, frames, known ? n : 0);
    }
    free(indices);
    spy__modules_done(&modules);
}
