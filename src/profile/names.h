// Gives a profile's locations their modules, functions, files and lines, as far as they are known.
#ifndef PROFILE_NAMES_H
#define PROFILE_NAMES_H

#include "profile/profile.h"

// By what is loaded now: an address in what was unloaded stays one. Reads files; threads: any.
void spy__profile_name(struct spy__profile *profile);

#endif
