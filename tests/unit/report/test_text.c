#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "report/document.h"

static mf_document example(void)
{
    mf_document d = {0};
    mf_document_begin(&d, MF_BLOCK_VERDICT, 2, NULL);
    mf_document_tone(&d, MF_TONE_GOOD);
    mf_document_cell(&d, "FITS");
    mf_document_cell(&d, "with %d GiB to spare", 7);
    mf_document_begin(&d, MF_BLOCK_BARS, 3, "Memory");
    mf_document_cell(&d, "weights");
    mf_document_cell(&d, "10 GiB");
    mf_document_cell(&d, "50 %%");
    mf_document_share(&d, 0.5);
    mf_document_cell(&d, "runtime");
    mf_document_cell(&d, "1 MiB");
    mf_document_cell(&d, "0 %%");
    mf_document_share(&d, 0.0001);
    mf_document_begin(&d, MF_BLOCK_TABLE, 2, "Speed");
    mf_document_cell(&d, "test");
    mf_document_cell(&d, "tok/s");
    mf_document_cell(&d, "decode");
    mf_document_cell(&d, "9.5");
    mf_document_begin(&d, MF_BLOCK_LIST, 1, "Notes");
    mf_document_cell(
        &d, "- a note that is so long that it has to go on in a second line and is indented there");
    mf_document_begin(&d, MF_BLOCK_COMMAND, 1, "Check");
    mf_document_cell(&d, "llama-bench -m a|b.gguf");
    return d;
}

static mf_str text_of(mf_text_options options)
{
    mf_str out = {0};
    mf_document d = example();
    cr_assert(eq(int, mf_write_text(&out, &d, options, NULL), MF_OK));
    mf_document_free(&d);
    return out;
}

Test(text, ascii_text_is_aligned_and_plain)
{
    mf_str out = text_of((mf_text_options){.width = 60});
    const char *expected = "\nFITS  with 7 GiB to spare\n"
                           "\nMemory\n"
                           "  weights  10 GiB  ################................  50 %\n"
                           "  runtime   1 MiB  #...............................  0 %\n"
                           "\nSpeed\n"
                           "  test    tok/s\n"
                           "  decode    9.5\n"
                           "\nNotes\n"
                           "  - a note that is so long that it has to go on in a\n"
                           "    second line and is indented there\n"
                           "\nCheck\n"
                           "  llama-bench -m a|b.gguf\n";
    cr_expect(eq(str, out.data, (char *)expected));
    mf_str_free(&out);
}

Test(text, a_table_that_is_too_wide_has_its_names_on_lines_of_their_own)
{
    mf_document d = {0};
    mf_str out = {0};
    mf_document_begin(&d, MF_BLOCK_TABLE, 3, NULL);
    static const char *const cells[] = {"machine",
                                        "decode",
                                        "fits",
                                        "a-name-that-is-as-long-as-names-of-servers-are",
                                        "9.5",
                                        "yes",
                                        "short",
                                        "110",
                                        "no"};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        mf_document_cell(&d, "%s", cells[i]);
    }
    const mf_text_options narrow = {.width = 50};
    cr_assert(eq(int, mf_write_text(&out, &d, narrow, NULL), MF_OK));
    const char *expected = "    decode  fits\n"
                           "  a-name-that-is-as-long-as-names-of-servers-are\n"
                           "       9.5   yes\n"
                           "  short\n"
                           "       110    no\n";
    cr_expect(eq(str, out.data, (char *)expected));
    mf_document_free(&d);
    mf_str_free(&out);
}

Test(text, ascii_text_has_no_other_bytes_and_no_colour)
{
    mf_str out = text_of((mf_text_options){.width = 80});
    for (size_t i = 0; i < out.size; i++) {
        cr_assert(out.data[i] == '\n' || (out.data[i] >= ' ' && out.data[i] <= '~'));
    }
    mf_str_free(&out);
}

Test(text, bars_use_eighths_where_the_terminal_can)
{
    mf_str out = text_of((mf_text_options){.width = 60, .unicode = true});
    cr_expect(ne(ptr, strstr(out.data, "████████████████ "), NULL));
    cr_expect(ne(ptr, strstr(out.data, "1 MiB  ▏"), NULL), "a small share is still seen");
    mf_str_free(&out);
}

Test(text, colour_is_switched_on_and_off_again)
{
    mf_str out = text_of((mf_text_options){.width = 60, .colour = true});
    cr_expect(ne(ptr, strstr(out.data, "\033[1;32mFITS\033[0m"), NULL));
    mf_str_free(&out);
}

Test(markdown, tables_escape_bars_and_commands_do_not)
{
    mf_str out = {0};
    mf_document d = example();
    cr_assert(eq(int, mf_write_markdown(&out, &d, NULL), MF_OK));
    cr_expect(
        ne(ptr, strstr(out.data, "| test | tok/s |\n| --- | ---: |\n| decode | 9.5 |"), NULL));
    cr_expect(ne(ptr, strstr(out.data, "```sh\nllama-bench -m a|b.gguf\n```"), NULL));
    mf_document_free(&d);
    mf_str_free(&out);
}
