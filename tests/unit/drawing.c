// For tests that draw: what the sanitizers are not to report of Pango's libraries, which are not
// built with them.
//
// ThreadSanitizer does not see GLib's locks. Fontconfig keeps its configuration and patterns until
// the process ends and points to them by offsets; they do not grow: forty threads that each draw a
// meme leave as much as one.
#define FOR_RUNTIME __attribute__((visibility("default"))) // found by the sanitizers' runtime

FOR_RUNTIME const char *__lsan_default_suppressions(void);
FOR_RUNTIME const char *__tsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\n";
}

const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}
