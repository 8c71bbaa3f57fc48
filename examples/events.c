// Product events: a type that is declared, an event as it happens, one that has an id already.

#include <spyglass/spyglass.h>
#include <stdio.h>

static const struct spy_event_type order_placed = {
    "order_placed",
    { { "order_id", SPY_FIELD_STR },
      { "user_id", SPY_FIELD_STR },
      { "euros", SPY_FIELD_DOUBLE },
      { "items", SPY_FIELD_INT } },
};

static void order(const char *id, const char *user, double euros, int items)
{
    // The same order has the same id, however often it is told: it is stored once.
    static const struct spy_uuid ours = SPY_UUID_URL;
    struct spy_uuid event = spy_uuid_v5(ours, id);
    spy_event_with_id(&event, "order_placed", spy_str("order_id", id), spy_str("user_id", user),
                      spy_double("euros", euros), spy_int("items", items));
}

int main(void)
{
    if (spy_start(&(struct spy_options){ .service = "shop" }) != 0) {
        fprintf(stderr, "%s\n", spy_start_error());
        return 1;
    }
    if (spy_event_declare(&order_placed) != 0) {
        fputs("order_placed cannot be declared\n", stderr);
    }
    order("https://shop.example/orders/1", "ada", 19.9, 2);
    spy_event("cart_abandoned", spy_str("user_id", "bob"), spy_double("euros", 7));
    return spy_stop(1000) == 0 ? 0 : 1;
}
