// Errors: one of the host's own, one that is grouped its own way, and a word in what is told of them.

#include <spyglass/spyglass.h>
#include <stdio.h>
#include <string.h>

// What a visitor types wrong is no error of ours.
static int is_error(struct spy_error_report *report, void *arg)
{
    (void)arg;
    if (strcmp(report->type, "bad_card") == 0) {
        report->fingerprint = "payments"; // one group, whatever way it came
    }
    return strcmp(report->type, "bad_input") != 0;
}

static void pay(const char *order, double euros)
{
    if (euros > 1000) {
        spy_error("limit_exceeded", "the bank takes no more than 1000 euros at once",
                  spy_str("order_id", order), spy_double("euros", euros),
                  spy_error_fingerprint("bank limits"));
    }
}

int main(void)
{
    char id[SPY_ERROR_ID_LEN + 1];
    if (spy_start(&(struct spy_options){
            .service = "shop", .release = "2.1.0", .before_send = is_error }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    struct spy_context_scope request = spy_context_begin(NULL, NULL);
    spy_bind(spy_str("user_id", "ada"));
    pay("o-1", 4000);
    spy_error_with_id(id, "bad_card", "the bank said no", spy_str("order_id", "o-2"));
    printf("We are sorry. If you ask us, say that it was error %s.\n", id);
    spy_context_detach(request);
    return spy_stop(1000) == 0 ? 0 : 1;
}
