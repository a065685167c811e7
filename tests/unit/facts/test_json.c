#include "facts/json.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct broken {
    const char *name;
    const char *text;
    const char *message; /* what must stand in the message */
} broken;

static const broken cases[] = {
    {"empty",                  "",                        "t:1:1: the text ends too early"         },
    {"only_space",             " \n ",                    "t:2:2: the text ends too early"         },
    {"open_object",            "{",                       "t:1:2: the text ends too early"         },
    {"open_array",             "[1,",                     "t:1:4: the text ends too early"         },
    {"open_string",            "\"abc",                   "t:1:5: the text ends too early"         },
    {"key_without_value",      "{\"a\"",                  "t:1:5: the text ends too early"         },
    {"cut_in_number",          "-",                       "t:1:2: the text ends too early"         },
    {"cut_in_escape",          "\"\\",                    "t:1:3: the text ends too early"         },
    {"cut_in_utf8",            "\"\xE2\x82",              "not valid UTF-8"                        },
    {"trailing_text",          "{} x",                    "t:1:4: text behind the end"             },
    {"two_values",             "1 2",                     "t:1:3: text behind the end"             },
    {"trailing_comma_array",   "[1,]",                    "t:1:4: expected a value"                },
    {"trailing_comma_object",  "{\"a\":1,}",              "t:1:8: expected a key"                  },
    {"leading_comma",          "[,1]",                    "t:1:2: expected a value"                },
    {"missing_comma",          "{\"a\":1 \"b\":2}",       "t:1:8: expected ',' or '}'"             },
    {"missing_comma_in_array", "[1 2]",                   "t:1:4: expected ',' or ']'"             },
    {"missing_colon",          "{\"a\" 1}",               "t:1:6: expected ':'"                    },
    {"bare_key",               "{a:1}",                   "t:1:2: expected a key in double quotes" },
    {"single_quotes",          "{'a':1}",                 "t:1:2: expected a key in double quotes" },
    {"wrong_closer",           "[1}",                     "t:1:3: expected ',' or ']'"             },
    {"lone_closer",            "]",                       "t:1:1: expected a value"                },
    {"comment",                "{} // no",                "t:1:4: text behind the end"             },
    {"leading_zero",           "[01]",                    "t:1:2: a number has no leading zero"    },
    {"negative_leading_zero",  "[-012]",                  "t:1:2: a number has no leading zero"    },
    {"leading_plus",           "[+1]",                    "t:1:2: expected a value"                },
    {"no_digits_behind_point", "[1.]",                    "t:1:4: a decimal point needs digits"    },
    {"no_digits_before_point", "[.5]",                    "t:1:2: expected a value"                },
    {"no_digits_in_exponent",  "[1e+]",                   "t:1:5: an exponent needs digits"        },
    {"minus_without_digits",   "[-a]",                    "t:1:3: expected a digit"                },
    {"number_overflow",        "[1e999]",                 "t:1:2: the number is too large"         },
    {"negative_overflow",      "[-1e999]",                "t:1:2: the number is too large"         },
    {"hexadecimal",            "[0x10]",                  "t:1:3: expected ',' or ']'"             },
    {"nan",                    "[NaN]",                   "t:1:2: expected a value"                },
    {"infinity",               "[-Infinity]",             "t:1:3: expected a digit"                },
    {"word_in_capitals",       "[True]",                  "t:1:2: expected a value"                },
    {"cut_word",               "[nul]",                   "t:1:2: expected a value"                },
    {"line_break_in_string",   "[\"a\nb\"]",              "t:1:4: a string can't hold a line break"},
    {"tab_in_string",          "[\"a\tb\"]",              "t:1:4: a string can't hold a line break"},
    {"unknown_escape",         "[\"\\x41\"]",             "t:1:4: unknown escape"                  },
    {"escaped_nul",            "[\"\\u0000\"]",           "can't hold the character 0"             },
    {"short_unicode_escape",   "[\"\\u12\"]",             "needs four hexadecimal digits"          },
    {"lone_high_surrogate",    "[\"\\ud800x\"]",          "half a surrogate pair"                  },
    {"lone_low_surrogate",     "[\"\\udc00\"]",           "half a surrogate pair"                  },
    {"two_high_surrogates",    "[\"\\ud800\\ud800\"]",    "half a surrogate pair"                  },
    {"overlong_utf8",          "[\"\xC0\xAF\"]",          "t:1:3: not valid UTF-8"                 },
    {"overlong_utf8_of_three", "[\"\xE0\x80\xAF\"]",      "t:1:3: not valid UTF-8"                 },
    {"surrogate_in_utf8",      "[\"\xED\xA0\x80\"]",      "t:1:3: not valid UTF-8"                 },
    {"beyond_unicode",         "[\"\xF4\x90\x80\x80\"]",  "t:1:3: not valid UTF-8"                 },
    {"stray_continuation",     "[\"\x80\"]",              "t:1:3: not valid UTF-8"                 },
    {"latin_1",                "[\"caf\xE9\"]",           "t:1:6: not valid UTF-8"                 },
    {"byte_order_mark",        "\xEF\xBB\xBF{}",          "t:1:1: expected a value"                },
    {"same_key_twice",         "{\"a\":1,\n \"a\":2}",    "t:2:6: 'a' stands twice in one object"  },
    {"same_key_escaped",       "{\"a\":1,\"\\u0061\":2}", "'a' stands twice in one object"         },
    {"same_key_deep_inside",
     "[{\"b\":{\"k\":1,\"k\":2}}]",                       "t:1:18: 'k' stands twice in one object" },
};

ParameterizedTestParameters(json, broken_text_is_refused_with_its_place)
{
    static size_t indices[sizeof cases / sizeof cases[0]];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        indices[i] = i;
    }
    return cr_make_param_array(size_t, indices, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(size_t *index, json, broken_text_is_refused_with_its_place)
{
    const broken *row = &cases[*index];
    mf_json *json = NULL;
    mf_error err = {0};
    const mf_status status = mf_json_parse(&json, row->text, strlen(row->text), "t", &err);
    cr_expect(eq(int, status, MF_E_DATA), "%s", row->name);
    cr_expect(json == NULL, "%s", row->name);
    cr_expect(strstr(err.message, row->message) != NULL, "%s: %s", row->name, err.message);
}

static mf_json *parsed(const char *text)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_assert(
        eq(int, mf_json_parse(&json, text, strlen(text), "t", &err), MF_OK), "%s", err.message);
    return json;
}

Test(json, a_nul_byte_is_refused)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_json_parse(&json, "{}\0", 3, "t", &err), MF_E_DATA));
    cr_expect(eq(int, mf_json_parse(&json, "[\"\0\"]", 5, "t", &err), MF_E_DATA));
    cr_expect(json == NULL);
}

Test(json, a_text_need_not_end_with_a_nul)
{
    mf_json *json = NULL;
    cr_assert(eq(int, mf_json_parse(&json, "[1]]]", 3, "t", NULL), MF_OK));
    cr_expect(eq(sz, mf_node_count(mf_json_root(json)), 1));
    mf_json_free(json);
}

static void nest(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

Test(json, depth_64_passes_and_65_is_refused)
{
    char text[256];
    nest(text, 64);
    mf_json_free(parsed(text));
    nest(text, 65);
    mf_json *json = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_json_parse(&json, text, strlen(text), "t", &err), MF_E_DATA));
    cr_expect(eq(str, err.message, "t:1:65: nested deeper than 64"));
}

Test(json, a_hundred_thousand_brackets_do_no_harm)
{
    const size_t size = 100000;
    char *text = malloc(size);
    cr_assert(text != NULL);
    memset(text, '[', size);
    mf_json *json = NULL;
    cr_expect(eq(int, mf_json_parse(&json, text, size, "t", NULL), MF_E_DATA));
    free(text);
}

Test(json, a_number_of_63_characters_passes_and_one_of_64_is_refused)
{
    char text[80] = {0};
    memset(text, '1', 63);
    mf_json_free(parsed(text));
    text[63] = '1';
    cr_expect(eq(int, mf_json_parse(&(mf_json *){0}, text, 64, "t", NULL), MF_E_DATA));
}

Test(json, a_twin_among_many_keys_is_found)
{
    char text[2048] = "{";
    for (int i = 0; i < 60; i++) {
        char member[16];
        (void)snprintf(member, sizeof member, "\"k%02d\":%d,", i, i);
        strcat(text, member);
    }
    strcat(text, "\"k31\":0}");
    mf_json *json = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_json_parse(&json, text, strlen(text), "t", &err), MF_E_DATA));
    cr_expect(strstr(err.message, "'k31' stands twice") != NULL, "%s", err.message);
}

Test(json, same_key_in_two_objects_is_fine)
{
    mf_json_free(parsed("[{\"a\":{\"a\":1}},{\"a\":2}]"));
}

Test(json, members_and_values_are_found)
{
    mf_json *json = parsed("{\"n\":7,\"d\":-1.5e2,\"b\":true,\"s\":\"\\u00e9\\ud83d\\ude00\",\"z\":"
                           "null,\"l\":[1,2,3]}");
    const mf_node *root = mf_json_root(json);
    uint64_t n = 0;
    double d = 0;
    bool b = false;
    cr_expect(mf_node_uint(&n, mf_node_get(root, "n")));
    cr_expect(eq(u64, n, 7));
    cr_expect(mf_node_double(&d, mf_node_get(root, "d")));
    cr_expect(epsilon_eq(dbl, d, -150.0, 1e-12));
    cr_expect(mf_node_bool(&b, mf_node_get(root, "b")));
    cr_expect(b);
    cr_expect(eq(str, (char *)mf_node_string(mf_node_get(root, "s")), "\xC3\xA9\xF0\x9F\x98\x80"));
    cr_expect(eq(int, mf_node_kind_of(mf_node_get(root, "z")), MF_NODE_NULL));
    cr_expect(mf_node_get(root, "z") != NULL);
    const mf_node *list = mf_node_get(root, "l");
    cr_expect(eq(sz, mf_node_count(list), 3));
    cr_expect(mf_node_uint(&n, mf_node_next(mf_node_first(list))));
    cr_expect(eq(u64, n, 2));
    cr_expect(eq(str, (char *)mf_node_key(mf_node_first(root)), "n"));
    cr_expect(mf_node_key(mf_node_first(list)) == NULL);
    mf_json_free(json);
}

Test(json, keys_differ_by_case)
{
    mf_json *json = parsed("{\"Key\":1}");
    cr_expect(mf_node_get(mf_json_root(json), "key") == NULL);
    mf_json_free(json);
}

Test(json, getters_leave_out_untouched_on_the_wrong_kind)
{
    mf_json *json = parsed("{\"s\":\"1\",\"n\":1.5,\"m\":-1}");
    const mf_node *root = mf_json_root(json);
    uint64_t n = 42;
    bool b = true;
    double d = 42;
    cr_expect(not(mf_node_uint(&n, mf_node_get(root, "s"))));
    cr_expect(not(mf_node_uint(&n, mf_node_get(root, "n"))));
    cr_expect(not(mf_node_uint(&n, mf_node_get(root, "m"))));
    cr_expect(not(mf_node_uint(&n, NULL)));
    cr_expect(not(mf_node_bool(&b, mf_node_get(root, "s"))));
    cr_expect(not(mf_node_double(&d, mf_node_get(root, "s"))));
    cr_expect(eq(u64, n, 42));
    cr_expect(b);
    cr_expect(epsilon_eq(dbl, d, 42.0, 0.0));
    cr_expect(mf_node_string(mf_node_get(root, "n")) == NULL);
    cr_expect(mf_node_get(mf_node_get(root, "s"), "x") == NULL);
    cr_expect(mf_node_get(NULL, "x") == NULL);
    cr_expect(mf_node_first(NULL) == NULL);
    cr_expect(mf_node_next(NULL) == NULL);
    mf_json_free(json);
}

Test(json, integers_that_a_double_rounds_are_refused)
{
    mf_json *json = parsed("[9007199254740991, 9007199254740993]");
    const mf_node *first = mf_node_first(mf_json_root(json));
    uint64_t n = 0;
    cr_expect(mf_node_uint(&n, first));
    cr_expect(eq(u64, n, 9007199254740991));
    cr_expect(not(mf_node_uint(&n, mf_node_next(first))));
    mf_json_free(json);
}

Test(json, failing_names_the_place_of_a_node_counted_in_characters)
{
    mf_json *json = parsed("{\n  \"\xC3\xA9\": [{\"a\": 1}, [],\n    {\"b\": [\"x\", true]}]\n}");
    const mf_node *list = mf_node_first(mf_json_root(json));
    const mf_node *b = mf_node_first(mf_node_next(mf_node_next(mf_node_first(list))));
    mf_error err = {0};
    cr_expect(eq(
        int, mf_json_fail(json, mf_node_next(mf_node_first(b)), &err, "%d wrong", 3), MF_E_DATA));
    cr_expect(eq(str, err.message, "t:3:17: 3 wrong"));
    (void)mf_json_fail(json, list, &err, "here");
    cr_expect(eq(str, err.message, "t:2:8: here"));
    (void)mf_json_fail(json, NULL, &err, "all");
    cr_expect(eq(str, err.message, "t:1:1: all"));
    mf_json_free(json);
}

Test(json, a_missing_file_is_an_io_error_that_names_it)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_json_load(&json, MF_SOURCE_DIR "/no-such.json", &err), MF_E_IO));
    cr_expect(strstr(err.message, "no-such.json") != NULL);
}

Test(json, a_folder_is_an_io_error)
{
    mf_json *json = NULL;
    cr_expect(eq(int, mf_json_load(&json, MF_SOURCE_DIR, NULL), MF_E_IO));
}

Test(json, an_endless_file_is_refused)
{
    mf_json *json = NULL;
    mf_error err = {0};
    cr_expect(eq(int, mf_json_load(&json, "/dev/zero", &err), MF_E_DATA));
    cr_expect(eq(str, err.message, "'/dev/zero' is larger than 64 MiB"));
}

Test(json, freeing_nothing_is_fine)
{
    mf_json_free(NULL);
}
