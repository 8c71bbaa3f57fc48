// Personal data in a text: what must not be put on a picture.
#ifndef MEMEGEN_PIPELINE_PERSONAL_H
#define MEMEGEN_PIPELINE_PERSONAL_H

// The kind of the first personal datum found: "e-mail address", "phone number", "card number",
// "bank account", "social security number", "postal address"; NULL where there is none. Takes any
// bytes. Threads: any.
const char *personal_find(const char *text);

#endif
