#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <string.h>

#include "report/column_notes.h"
#include "report/document.h"
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

Test(traced, a_sentence_with_a_result_is_told_from_names_dates_and_levels)
{
    static const char *const results[] = {"FITS 2.56 GiB to spare",
                                          "decode 12 tok/s (90 %: 10 - 14)",
                                          "cheaper with a probability of 84 %",
                                          "from 5.24 hours a day",
                                          "-575 USD",
                                          "(1.7 to 2.6 times the next)"};
    static const char *const others[] = {"M5 Max of 2026-09-22",
                                         "Q4_K_M, KV q8_0",
                                         "the 90 % range of --format json",
                                         "prefill of 4096",
                                         "mac-studio-m5-max-40c-128gb",
                                         ""};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        cr_expect(mf_has_result(results[i]), "%s", results[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_expect(not(mf_has_result(others[i])), "%s", others[i]);
    }
}

Test(traced, a_pair_of_what_was_asked_is_a_figure_by_its_first_number)
{
    mf_document d = {0};
    mf_str out = {0};
    mf_document_begin(&d, MF_BLOCK_PAIRS, 2, NULL);
    mf_document_cell(&d, "workload");
    mf_document_cell(&d, "context 8192, prompt 2048");
    cr_assert(eq(int, mf_write_document_json(&out, &d, "t", NULL), MF_OK));
    cr_expect(ne(ptr, strstr(out.data, "\"formula\": \"as asked\""), NULL));
    cr_expect(ne(ptr, strstr(out.data, "\"value\": 8192"), NULL));
    mf_str_free(&out);
    mf_document_free(&d);
}
