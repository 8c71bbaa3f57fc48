// Timelines of memes: from spans to JSON, to the store and back, to the answer and to the page.

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc_fail.h"
#include "memegen/api/accept.h"
#include "memegen/api/answer.h"
#include "memegen/api/trace_page.h"
#include "memegen/timeline.h"

#define ID "2b0c4d0e-1f2a-4b3c-8d4e-5f6071829304"
#define HOSTILE "</text><script>alert('1')</script>&\""

static struct spy_operation step = { .name = "agent", .labels = SPY_LABELS("agent_name") };

// A root with two children, one of which failed.
static struct spy_trace *make(char root_id[SPY_SPAN_ID_LEN + 1], const char *value)
{
    struct spy_context_scope scope = spy_context_begin("c", NULL);
    struct spy_trace *trace = spy_trace_gather();
    struct spy_span root = spy_begin(&step, "root");
    spy_span_id(root_id);
    struct spy_span good = spy_begin(&step, value);
    spy_end(&good, SPY_SUCCESS);
    struct spy_span bad = spy_begin(&step, NULL);
    spy_end(&bad, spy_failure("timeout", value));
    spy_end(&root, SPY_SUCCESS);
    spy_context_detach(scope);
    assert_non_null(trace);
    return trace;
}

static const char *text_at(const json_t *spans, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(spans, i), key));
}

static void spans_become_json_and_back(void **state)
{
    char root_id[SPY_SPAN_ID_LEN + 1];
    struct spy_trace *trace = make(root_id, HOSTILE);
    char *text = timeline_text(trace, root_id);
    (void)state;
    assert_non_null(text);
    json_t *timeline = timeline_read(text);
    assert_non_null(timeline);
    const json_t *spans = json_object_get(timeline, "spans");
    assert_int_equal(json_array_size(spans), 3);
    assert_true(timeline_has_root(timeline));
    size_t root = 3;
    for (size_t i = 0; i < 3; i++) {
        root = strcmp(text_at(spans, i, "span_id"), root_id) == 0 ? i : root;
    }
    assert_true(root < 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text_at(spans, i, "name"), "agent");
        if (i == root) {
            assert_null(text_at(spans, i, "parent_span_id"));
        } else {
            assert_string_equal(text_at(spans, i, "parent_span_id"), root_id);
        }
    }
    assert_int_equal(json_integer_value(json_object_get(timeline, "lost_spans")), 0);
    json_decref(timeline);
    free(text);
    timeline = timeline_json(trace, "0000000000000001");
    assert_false(timeline_has_root(timeline)); // its root has not ended
    json_decref(timeline);
    timeline = timeline_json(NULL, root_id); // there was no memory to gather
    assert_int_equal(json_array_size(json_object_get(timeline, "spans")), 0);
    json_decref(timeline);
    spy_trace_release(trace);
}

static void what_is_no_timeline_is_not_read(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"root_span_id\":\"a\",\"lost_spans\":0}",
        "{\"root_span_id\":1,\"lost_spans\":0,\"spans\":[]}",
        "{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[1]}",
        "{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[{\"span_id\":\"a\"}]}",
        "{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[{\"span_id\":\"a\",\"parent_span_id\":"
        "1,"
        "\"name\":\"\",\"attributes\":{},\"start_us\":1,\"duration_us\":1,\"error\":null}]}",
        "{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[{\"span_id\":\"a\",\"parent_span_id\":"
        "null,"
        "\"name\":\"\",\"attributes\":{},\"start_us\":1,\"duration_us\":1,\"error\":{}}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(timeline_read(bad[i]));
    }
}

static const struct meme made = { .id = ID,
                                  .correlation_id = "c1",
                                  .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
                                  .status = MEME_SUCCESS };

#define SPAN(id, parent, name, value, start, duration, error)                                      \
    "{\"span_id\":\"" id "\",\"parent_span_id\":" parent ",\"name\":\"" name                       \
    "\",\"attributes\":{\"k\":\"" value "\"},\"start_us\":" start ",\"duration_us\":" duration     \
    ",\"error\":" error "}"
#define TIMELINE                                                                                   \
    "{\"root_span_id\":\"a\",\"lost_spans\":2,\"spans\":[" SPAN(                                   \
        "a", "null", "http", "POST", "1700000000000042", "2500",                                   \
        "null") "," SPAN("c", "\"b\"", "db", "memes", "1700000000000700", "20",                    \
                         "null") "," SPAN("b", "\"a\"", "agent", "</text><script>",                \
                                          "1700000000000642", "1000",                              \
                                          "{\"type\":\"timeout\",\"message\":\"<b>&'"              \
                                          "\\\"\"}") "," SPAN("z", "\"gone\"", "other", "",        \
                                                              "1700000000000742", "100",           \
                                                              "null") "]}"

static void the_answer_counts_from_the_first_start(void **state)
{
    json_t *timeline = timeline_read(TIMELINE);
    size_t len;
    (void)state;
    char *text = answer_text(answer_trace(&made, timeline), &len);
    assert_non_null(text);
    text[len - 1] = '\0';
    const char *begin =
        "{\"meme_id\":\"" ID "\",\"status\":\"success\",\"correlation_id\":\"c1\","
        "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"complete\":true,"
        "\"started_at\":\"2023-11-14T22:13:20.000042Z\",\"duration_seconds\":0.0025,"
        "\"lost_spans\":2,\"spans\":[{\"span_id\":\"a\",\"parent_span_id\":null,\"name\":\"http\","
        "\"attributes\":{\"k\":\"POST\"},\"started_at\":\"2023-11-14T22:13:20.000042Z\","
        "\"offset_seconds\":0.0,\"duration_seconds\":0.0025,\"error\":null},";
    assert_memory_equal(text, begin, strlen(begin));
    assert_non_null(strstr(text, "\"offset_seconds\":0.0006,\"duration_seconds\":0.001,\"error\":"
                                 "{\"type\":\"timeout\",\"message\":\"<b>&'\\\"\"}"));
    free(text);

    struct meme pending = made;
    pending.status = MEME_PENDING; // answered with 202, and under way
    json_t *trace = answer_trace(&pending, timeline);
    assert_true(json_is_false(json_object_get(trace, "complete")));
    json_decref(trace);
    json_decref(timeline);

    timeline = timeline_read("{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[]}");
    trace = answer_trace(&made, timeline);
    assert_true(json_is_null(json_object_get(trace, "started_at")));
    assert_true(json_is_false(json_object_get(trace, "complete")));
    char *page = trace_page(trace, &len); // of nothing
    assert_non_null(page);
    free(page);
    json_decref(trace);
    json_decref(timeline);
}

static void the_page_shows_a_tree_and_runs_nothing(void **state)
{
    json_t *timeline = timeline_read(TIMELINE), *trace = answer_trace(&made, timeline);
    size_t len;
    (void)state;
    char *page = trace_page(trace, &len);
    assert_non_null(page);
    assert_int_equal(strlen(page), len);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "<b>"));
    assert_non_null(strstr(page, "agent &lt;/text&gt;&lt;script&gt;"));
    assert_non_null(strstr(page, "timeout: &lt;b&gt;&amp;&#39;&quot;"));
    const char *root = strstr(page, ">http POST</text>"), *agent = strstr(page, ">agent &lt;"),
               *db = strstr(page, ">db memes</text>"), *orphan = strstr(page, ">other</text>");
    assert_true(root && agent && db && orphan);
    assert_true(strstr(page, "<svg") < root && root < agent && agent < db && db < orphan);
    assert_non_null(strstr(page, "<text x=\"6\" y=\"15\">http")); // further in, the deeper it is
    assert_non_null(strstr(page, "<text x=\"34\" y=\"59\">db"));
    assert_non_null(strstr(page, "<g class=\"bad\">"));
    assert_non_null(strstr(page, "Spans left out</dt><dd>2<"));
    free(page);
    json_decref(trace);
    json_decref(timeline);
}

// Spans that are each other's parents have no place in a tree; they must not hang the page.
static void odd_trees_end(void **state)
{
    json_t *timeline = timeline_read("{\"root_span_id\":\"a\",\"lost_spans\":0,\"spans\":[" SPAN(
        "a", "\"b\"", "x", "1", "5", "1",
        "null") "," SPAN("b", "\"a\"", "y", "1", "5", "1",
                         "null") "," SPAN("s", "\"s\"", "self", "1", "5", "1",
                                          "null") "," SPAN("d", "null", "twin", "1", "5", "1",
                                                           "null") "," SPAN("d", "\"d\"", "twin",
                                                                            "2", "5", "1",
                                                                            "null") "]}");
    json_t *trace = answer_trace(&made, timeline);
    size_t len;
    (void)state;
    char *page = trace_page(trace, &len);
    assert_non_null(page);
    assert_non_null(strstr(page, ">twin 1</text>"));
    free(page);
    json_decref(trace);
    json_decref(timeline);
}

static void a_page_goes_to_whom_it_is_more_welcome(void **state)
{
    static const struct {
        const char *accept;
        int html, json;
    } cases[] = {
        { NULL, 1000, 1000 },
        { "", 0, 0 },
        { "*/*", 1000, 1000 },
        { "text/html", 1000, 0 },
        { "TEXT/HTML", 1000, 0 },
        { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1000, 800 },
        { "application/json", 0, 1000 },
        { "application/json, text/html", 1000, 1000 },
        { "text/*;q=0.3, text/html;q=0.7 , */*;q=0.5", 700, 500 },
        { "*/*;q=0.5,text/html;q=0", 0, 500 },
        { "text/html ; level=1 ; Q=0.25", 250, 0 },
        { "text/html;q=1.000", 1000, 0 },
        { "text/html;q=1.001", 0, 0 },
        { "text/html;q=2", 0, 0 },
        { "text/html;q=0.1234", 0, 0 },
        { "text/html;q=-1", 0, 0 },
        { "text/html;q=", 0, 0 },
        { "text/htm", 0, 0 },
        { "text/", 0, 0 },
        { "*", 0, 0 },
        { ",;,;q=1,text/html", 1000, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int html = accept_quality(cases[i].accept, "text/html");
        int json = accept_quality(cases[i].accept, "application/json");
        if (html != cases[i].html || json != cases[i].json) {
            fail_msg("%s: %d, %d", cases[i].accept ? cases[i].accept : "none", html, json);
        }
        assert_int_equal(accept_page(cases[i].accept), html > json);
    }
}

static void without_memory(void **state)
{
    char root_id[SPY_SPAN_ID_LEN + 1];
    struct spy_trace *trace = make(root_id, "value");
    bool done = false;
    (void)state;
    json_set_alloc_funcs(malloc, free); // jansson's own allocations fail too
    for (long n = 0; !done && n < 10000; n++) {
        char *answer = NULL;
        size_t len;
        alloc_fail_after(n);
        char *text = timeline_text(trace, root_id);
        json_t *timeline = text ? timeline_read(text) : NULL;
        json_t *root = timeline ? answer_trace(&made, timeline) : NULL;
        char *page = root ? trace_page(root, &len) : NULL;
        if (root) {
            answer = answer_text(root, &len);
        }
        alloc_fail_never();
        done = answer && page;
        free(text);
        free(answer);
        free(page);
        json_decref(timeline);
    }
    assert_true(done);
    spy_trace_release(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_become_json_and_back),
        cmocka_unit_test(what_is_no_timeline_is_not_read),
        cmocka_unit_test(the_answer_counts_from_the_first_start),
        cmocka_unit_test(the_page_shows_a_tree_and_runs_nothing),
        cmocka_unit_test(odd_trees_end),
        cmocka_unit_test(a_page_goes_to_whom_it_is_more_welcome),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
