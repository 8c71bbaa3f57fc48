#include "encode/value.h"

#include "base/number.h"
#include "base/utf8.h"

void spy__encode_value(struct spy__json *j, const struct spy_field *field, size_t max)
{
    switch (field->type) {
    case SPY_FIELD_INT:
        spy__json_i64(j, field->value.i);
        break;
    case SPY_FIELD_UINT:
        spy__json_u64(j, field->value.u);
        break;
    case SPY_FIELD_DOUBLE:
        spy__json_double(j, field->value.d);
        break;
    case SPY_FIELD_BOOL:
        spy__json_bool(j, field->value.b);
        break;
    case SPY_FIELD_STR:
        spy__json_strn(j, field->value.s, spy__utf8_cut(field->value.s, field->len, max));
        break;
    default:
        spy__json_null(j);
    }
}

void spy__encode_text(struct spy__json *j, const struct spy_field *field, size_t max)
{
    char text[SPY__NUMBER_MAX];
    switch (field->type) {
    case SPY_FIELD_INT:
        spy__json_strn(j, text, spy__i64_print(text, field->value.i));
        break;
    case SPY_FIELD_UINT:
        spy__json_strn(j, text, spy__u64_print(text, field->value.u));
        break;
    case SPY_FIELD_DOUBLE:
        spy__json_strn(j, text, spy__double_print(text, field->value.d));
        break;
    case SPY_FIELD_BOOL:
        spy__json_str(j, field->value.b ? "true" : "false");
        break;
    default:
        spy__encode_value(j, field, max);
    }
}
