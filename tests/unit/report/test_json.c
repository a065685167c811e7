#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>

#include "report/json_writer.h"

Test(json_writer, writes_every_kind_of_value)
{
    mf_str out = {0};
    mf_json_writer w = {.out = &out};
    mf_jw_open(&w, NULL, '{');
    mf_jw_text(&w, "text", "a \"quoted\"\n\x01 line");
    mf_jw_text(&w, "missing", NULL);
    mf_jw_uint(&w, "big", UINT64_MAX);
    mf_jw_int(&w, "negative", INT64_MIN);
    mf_jw_number(&w, "rate", true, 1234567.89);
    mf_jw_number(&w, "unknown", false, 5);
    mf_jw_bool(&w, "yes", true);
    mf_jw_open(&w, "list", '[');
    mf_jw_uint(&w, NULL, 1);
    mf_jw_null(&w, NULL);
    mf_jw_close(&w, ']');
    mf_jw_open(&w, "empty", '[');
    mf_jw_close(&w, ']');
    mf_jw_close(&w, '}');
    cr_expect(eq(str,
                 out.data,
                 "{\n"
                 "  \"text\": \"a \\\"quoted\\\"\\u000a\\u0001 line\",\n"
                 "  \"missing\": null,\n"
                 "  \"big\": 18446744073709551615,\n"
                 "  \"negative\": -9223372036854775808,\n"
                 "  \"rate\": 1234570,\n"
                 "  \"unknown\": null,\n"
                 "  \"yes\": true,\n"
                 "  \"list\": [\n    1,\n    null\n  ],\n"
                 "  \"empty\": []\n"
                 "}\n"));
    mf_str_free(&out);
}
