// What captions do that jokes do, measured from their words alone. Each measure is from 0 to 1.
#ifndef MEMEGEN_PIPELINE_COMEDY_H
#define MEMEGEN_PIPELINE_COMEDY_H

#include "memegen/pipeline/agents.h"

struct comedy {
    double contrast;   // the slots say different things at different lengths
    double surprise;   // words that are not everyday ones, where the punch line is
    double detail;     // numbers, times, names: jokes live in them
    double devices;    // exaggeration, direct speech, capitals for shouting, lists of three
    double punch;      // the last slot is short and ends on a word that weighs
    double sound;      // alliteration and rhyme
    double fit;        // each caption's length is near what its slot likes
    double readable;   // short words, nothing cut off, no word twice in a row of slots
    double variety;    // different words / words
    double rarity;     // words that are neither common nor the topic's own
    double topicality; // key words that are named
    double relatable;  // "me", "you", "when", "every": the reader is meant
    double brevity;    // all of it can be read at a glance
};

void comedy_measure(const struct job *job, struct comedy *ret);

#endif
