#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/document.h"
#include "report/html.h"

static const mf_axis linear = {.kind = MF_AXIS_LINEAR, .title = "tok/s", .from_zero = true};
static const mf_axis logarithmic = {.kind = MF_AXIS_LOG, .title = "s"};
static const mf_axis tokens = {.kind = MF_AXIS_TOKENS, .title = "tokens", .from_zero = true};

static mf_scale scale_of(const mf_axis *axis, double low, double high)
{
    return mf_scale_of(axis, (mf_span){low, high}, (mf_span){40, 440});
}

Test(chart, a_scale_maps_its_ends_to_its_pixels)
{
    const mf_scale s = scale_of(&linear, 3, 87);
    cr_expect(epsilon_eq(dbl, mf_scale_at(&s, s.low), 40, 1e-9));
    cr_expect(epsilon_eq(dbl, mf_scale_at(&s, s.high), 440, 1e-9));
    cr_expect(epsilon_eq(dbl, s.low, 0, 1e-12));
    cr_expect(ge(dbl, s.high, 87));
}

Test(chart, decades_of_a_logarithmic_scale_are_equally_far_apart)
{
    const mf_scale s = scale_of(&logarithmic, 0.3, 700);
    const double first = mf_scale_at(&s, 10) - mf_scale_at(&s, 1);
    const double second = mf_scale_at(&s, 100) - mf_scale_at(&s, 10);
    cr_expect(epsilon_eq(dbl, first, second, 1e-9));
}

Test(chart, ticks_lie_inside_the_scale_and_rise)
{
    const mf_axis *const axes[] = {&linear, &logarithmic, &tokens};
    for (size_t a = 0; a < 3; a++) {
        double ticks[MF_MAX_TICKS];
        const mf_scale s = scale_of(axes[a], 7, 131072);
        const size_t n = mf_scale_ticks(ticks, &s, 5);
        cr_assert(ge(sz, n, 2));
        for (size_t i = 0; i < n; i++) {
            cr_expect(ge(dbl, ticks[i], s.low));
            cr_expect(le(dbl, ticks[i], s.high * (1 + 1e-9)));
            cr_expect(i == 0 || ticks[i] > ticks[i - 1]);
        }
    }
}

Test(chart, ticks_of_tokens_are_binary_and_said_in_k)
{
    double ticks[MF_MAX_TICKS];
    char text[40];
    const mf_scale s = scale_of(&tokens, 0, 131072);
    const size_t n = mf_scale_ticks(ticks, &s, 4);
    cr_assert(ge(sz, n, 3));
    cr_expect(epsilon_eq(dbl, ticks[1], 32768, 1e-9));
    cr_expect(eq(str, (char *)mf_tick_text(text, &s, ticks[1]), "32k"));
}

Test(chart, one_value_alone_makes_a_scale_that_is_not_empty)
{
    const mf_scale s = scale_of(&linear, 0, 0);
    cr_expect(gt(dbl, s.high, s.low));
}

Test(chart, a_line_is_cut_at_the_box)
{
    const mf_box box = {.left = 0, .top = 0, .right = 10, .bottom = 20};
    mf_point a = {-5, -5};
    mf_point b = {15, 15};
    cr_assert(mf_clip_line(&a, &b, &box));
    cr_expect(epsilon_eq(dbl, a.x, 0, 1e-9));
    cr_expect(epsilon_eq(dbl, a.y, 0, 1e-9));
    cr_expect(epsilon_eq(dbl, b.x, 10, 1e-9));
    cr_expect(epsilon_eq(dbl, b.y, 10, 1e-9));
}

Test(chart, a_line_beside_the_box_is_not_drawn)
{
    const mf_box box = {.left = 0, .top = 0, .right = 10, .bottom = 20};
    mf_point a = {-5, 3};
    mf_point b = {-1, 19};
    cr_expect(eq(int, mf_clip_line(&a, &b, &box), 0));
}

static mf_document drawn(void)
{
    mf_document d = {0};
    mf_document_chart(&d, "a <heading>", "what \"is\" drawn", tokens, linear);
    mf_document_series(&d, MF_MARK_LINE, false, "<script>alert(1)</script>");
    mf_document_point(&d, (mf_chart_point){.x = 0, .y = 61, .low = 50, .high = 70}, NULL);
    mf_document_point(&d, (mf_chart_point){.x = 8192, .y = 37, .low = 30, .high = 45}, NULL);
    mf_document_series(&d, MF_MARK_LINE, true, "another");
    mf_document_point(&d, (mf_chart_point){.x = 0, .y = 44, .low = 44, .high = 44}, NULL);
    mf_document_point(&d, (mf_chart_point){.x = 8192, .y = 33, .low = 33, .high = 33}, NULL);
    mf_document_rule(&d, false, 40, "limit");
    return d;
}

Test(chart, everything_of_a_chart_lies_in_its_plot)
{
    mf_document d = drawn();
    const mf_chart *chart = d.blocks[0].chart;
    const mf_layout at = mf_chart_layout(chart);
    double low = 0;
    double high = 0;
    cr_assert(mf_chart_extent(&low, &high, chart, false));
    cr_expect(epsilon_eq(dbl, low, 30, 1e-9));
    cr_expect(epsilon_eq(dbl, high, 70, 1e-9));
    cr_expect(ge(dbl, mf_scale_at(&at.y, high), at.plot.top - 1e-9));
    cr_expect(le(dbl, mf_scale_at(&at.y, low), at.plot.bottom + 1e-9));
    cr_expect(le(dbl, at.plot.right, at.width));
    mf_document_free(&d);
}

Test(chart, names_in_a_drawing_are_no_markup)
{
    mf_document d = drawn();
    mf_str out = {0};
    cr_assert(eq(int, mf_write_html(&out, &d, "title", NULL), MF_OK));
    cr_expect(eq(ptr, strstr(out.data, "<script>alert"), NULL));
    cr_expect(ne(ptr, strstr(out.data, "&lt;script&gt;alert"), NULL));
    cr_expect(ne(ptr, strstr(out.data, "role=\"img\""), NULL));
    mf_str_free(&out);
    mf_document_free(&d);
}

Test(chart, figures_keep_formula_inputs_and_source_in_json)
{
    mf_document d = {0};
    mf_str out = {0};
    const mf_source source = {
        .kind = MF_SOURCE_MEASURED, .title = (char *)"a bench", .seen = (char *)"2026-01-31"};
    mf_document_begin(&d, MF_BLOCK_TABLE, 1, "table");
    mf_document_cell(&d, "tok/s");
    mf_document_cell(&d, "%s", "12.5");
    mf_document_figure(&d, "decode/x", "bytes / bandwidth", "tok/s", 12.5);
    mf_document_interval(&d, 10, 15);
    mf_document_input(&d, mf_document_footnote(&d, &source), "bandwidth", "%s", "273 GB/s");
    cr_assert(eq(int, mf_write_document_json(&out, &d, "t", NULL), MF_OK));
    static const char *const parts[] = {"\"schema\": \"memfit.report/1\"",
                                        "\"shown\": \"12.5\"",
                                        "\"formula\": \"bytes / bandwidth\"",
                                        "\"text\": \"273 GB/s\"",
                                        "\"title\": \"a bench\"",
                                        "\"low\": 10"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        cr_expect(ne(ptr, strstr(out.data, parts[i]), NULL), "%s", parts[i]);
    }
    mf_str_free(&out);
    mf_document_free(&d);
}

/* Sources 1 to 3 and 5 are the first figure's, the same the second's, 4 the third's. */
Test(chart, marks_of_sources_are_joined_and_not_repeated_in_a_row)
{
    static const size_t behind[3][4] = {
        {3, 5, 1, 2},
        {1, 2, 3, 5},
        {4, 4, 4, 4}
    };
    mf_document d = {0};
    mf_str out = {0};
    char titles[5][8];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(titles[i], sizeof titles[i], "note %zu", i);
        const mf_source source = {.title = titles[i], .kind = MF_SOURCE_MEASURED};
        (void)mf_document_footnote(&d, &source);
    }
    mf_document_begin(&d, MF_BLOCK_TABLE, 4, NULL);
    for (size_t i = 0; i < 5; i++) {
        mf_document_cell(&d, "%s", i < 4 ? "heading" : "row");
    }
    for (size_t i = 0; i < 3; i++) {
        mf_document_cell(&d, "7.25");
        mf_document_figure(&d, "figure", "as said", "s", 7.25);
        for (size_t k = 0; k < 4; k++) {
            mf_document_input(&d, behind[i][k], "input", "%zu", k);
        }
    }
    cr_assert(eq(int, mf_write_html(&out, &d, "title", NULL), MF_OK));
    const char *first =
        strstr(out.data, "7.25<sup><a href=\"#s1\">1-3</a>,<wbr><a href=\"#s5\">5</a></sup>");
    cr_assert(ne(ptr, (void *)first, NULL));
    const char *second = strstr(first, "7.25</td>");
    cr_assert(ne(ptr, (void *)second, NULL));
    cr_expect(ne(ptr, strstr(second, "7.25<sup><a href=\"#s4\">4</a></sup>"), NULL));
    mf_str_free(&out);
    mf_document_free(&d);
}

Test(chart, a_point_is_not_named_over_a_rule_that_is)
{
    const mf_layout layout = {
        .plot = {.left = 0, .top = 0, .right = 400, .bottom = 300}
    };
    mf_labels labels = {.n_boxes = 0};
    mf_box box = {0};
    mf_label_take(&labels, (mf_point){200, 50}, 17);
    cr_assert(mf_label_place(&box, &labels, &layout, (mf_point){120, 46}, 5, false));
    cr_expect(not(mf_boxes_overlap(&box, &labels.boxes[0])));
}

Test(chart, a_name_crosses_a_line_only_if_it_must)
{
    const mf_layout layout = {
        .plot = {.left = 0, .top = 0, .right = 60, .bottom = 300}
    };
    mf_labels labels = {.n_boxes = 0};
    mf_box box = {0};
    mf_label_take_line(&labels, (mf_point){0, 50}, (mf_point){60, 50});
    cr_assert(mf_label_place(&box, &labels, &layout, (mf_point){10, 50}, 5, true));
    cr_expect(box.bottom < 50 || box.top > 50);
    mf_label_take_line(&labels, (mf_point){0, 38}, (mf_point){60, 38});
    mf_label_take_line(&labels, (mf_point){0, 62}, (mf_point){60, 62});
    cr_expect(not(mf_label_place(&box, &labels, &layout, (mf_point){10, 50}, 5, false)));
    cr_expect(mf_label_place(&box, &labels, &layout, (mf_point){10, 50}, 5, true));
}

static bool page_has(mf_document *d, const char *text)
{
    mf_str out = {0};
    cr_assert(eq(int, mf_write_html(&out, d, "title", NULL), MF_OK));
    const bool has = strstr(out.data, text) != NULL;
    mf_str_free(&out);
    mf_document_free(d);
    return has;
}

Test(chart, a_legend_names_what_is_drawn)
{
    const mf_chart_point point = {.x = 1, .y = 2, .low = 2, .high = 2};
    mf_document d = {0};
    mf_document_chart(&d, "two", "one of two", logarithmic, logarithmic);
    mf_document_series(&d, MF_MARK_POINTS, false, "on the front");
    mf_document_series(&d, MF_MARK_POINTS, false, "beaten");
    mf_document_point(&d, point, "Q3_K_M");
    cr_expect(not(page_has(&d, "on the front")));
}

Test(chart, words_stand_left_and_numbers_right)
{
    static const char *const cells[] = {
        "machine", "memory", "reads at", "a", "the card's own", "936 GB/s", "b", "one", "-"};
    mf_document d = {0};
    mf_document_begin(&d, MF_BLOCK_TABLE, 3, NULL);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        mf_document_cell(&d, "%s", cells[i]);
    }
    cr_expect(page_has(
        &d, "<td class=\"text\">the card&#39;s own</td><td data-v=\"936000000000\">936 GB/s</td>"));
}

Test(chart, cells_are_sorted_by_what_their_numbers_mean)
{
    static const char *const rising[] = {"none",
                                         "440 us",
                                         "980 ms",
                                         "1.1 s",
                                         "724 ms - 1.69 s",
                                         "1.26 s - 2.37 s",
                                         "~5.5",
                                         "3500 - 9500 USD",
                                         "cards alone 7000 - 9000 USD",
                                         "9499 USD, no longer sold",
                                         "660 MiB",
                                         "6.96 GiB"};
    double last = -1;
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        double key = 0;
        cr_assert(mf_sort_key(&key, rising[i]), "%s", rising[i]);
        cr_expect(gt(dbl, key, last), "%s", rising[i]);
        last = key;
    }
}

Test(chart, cells_without_a_number_have_no_sort_key)
{
    static const char *const words[] = {"-", "", "not known", "2x-mac-studio", "Q4_K_M"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        double key = 0;
        cr_expect(not(mf_sort_key(&key, words[i])), "%s", words[i]);
    }
}

static mf_document table_of(const char *const *cells, size_t n)
{
    mf_document d = {0};
    mf_document_begin(&d, MF_BLOCK_TABLE, 2, "What it costs");
    for (size_t i = 0; i < n; i++) {
        mf_document_cell(&d, "%s", cells[i]);
    }
    return d;
}

Test(chart, a_first_column_of_numbers_is_sorted_as_numbers_one_of_names_is_not)
{
    static const char *const depths[] = {"tokens", "tok/s", "8192", "31", "16384", "27"};
    static const char *const names[] = {"machine", "tok/s", "2x-mac", "31", "pc", "27"};
    mf_document d = table_of(depths, 6);
    cr_expect(page_has(&d, "<th scope=\"row\" data-v=\"16384\">"));
    d = table_of(names, 6);
    cr_expect(page_has(&d, "<th scope=\"row\">2x-mac</th>"));
}

Test(chart, a_table_that_scrolls_is_called_as_its_heading)
{
    static const char *const cells[] = {"tokens", "tok/s", "8192", "31"};
    mf_document d = table_of(cells, 4);
    cr_expect(page_has(&d, "<h3 id=\"h0\">What it costs</h3>"));
    d = table_of(cells, 4);
    cr_expect(page_has(&d, "role=\"region\" aria-labelledby=\"h0\"><table aria-labelledby=\"h0\""));
}

Test(chart, options_and_dates_are_not_broken_and_a_percent_stays_at_its_number)
{
    mf_document d = {0};
    mf_document_begin(&d, MF_BLOCK_LIST, 1, NULL);
    mf_document_cell(&d, "of 84 %%: say --storage <x> on 2026-11-22, pc-rtx-5090");
    cr_expect(page_has(&d,
                       "<li>of 84&nbsp;%: say <span class=\"nb\">--storage</span> &lt;x&gt; on "
                       "<span class=\"nb\">2026-11-22,</span> pc-rtx-5090</li>"));
}

Test(chart, a_drawing_says_in_words_what_it_shows)
{
    mf_document d = drawn();
    mf_str out = {0};
    mf_document_rule(&d, true, 8192, NULL);
    mf_chart_words(&out, d.blocks[0].chart);
    cr_expect(eq(str,
                 out.data,
                 "what \"is\" drawn; <script>alert(1)</script>: from 61 at 0 to 37 at 8k; "
                 "another: from 44 at 0 to 33 at 8k; limit: 40 (tok/s)"));
    mf_str_free(&out);
    mf_document_free(&d);
}

Test(chart, bars_and_named_points_are_in_the_words)
{
    mf_document d = {0};
    mf_str out = {0};
    mf_document_chart(&d, "terms", "memory", linear, (mf_axis){.kind = MF_AXIS_LINEAR});
    mf_document_series(&d, MF_MARK_BARS, false, NULL);
    mf_document_point(&d, (mf_chart_point){.low = -1.5, .high = 17}, "KV cache");
    mf_document_series(&d, MF_MARK_POINTS, false, "front");
    mf_document_point(&d, (mf_chart_point){.x = 3, .y = 7}, "Q3_K_M");
    mf_document_point(&d, (mf_chart_point){.x = 5, .y = 9}, NULL);
    mf_chart_words(&out, d.blocks[0].chart);
    cr_expect(
        eq(str, out.data, "memory; KV cache -1.5 to 17; front: Q3_K_M 7 at 3 of 2 points (tok/s)"));
    mf_str_free(&out);
    mf_document_free(&d);
}

/* Names and numbers of a row, and whether they are more than a page is wide. */
static bool is_tight(size_t n_columns, const char *name)
{
    mf_document d = {0};
    mf_str out = {0};
    mf_document_begin(&d, MF_BLOCK_TABLE, n_columns, NULL);
    for (size_t i = 0; i < 2 * n_columns; i++) {
        mf_document_cell(&d, "%s", i == n_columns ? name : "80 - 110");
    }
    cr_assert(eq(int, mf_write_html(&out, &d, "title", NULL), MF_OK));
    const bool tight = strstr(out.data, "class=\"sort tight\"") != NULL;
    mf_str_free(&out);
    mf_document_free(&d);
    return tight;
}

Test(chart, a_table_wider_than_a_page_may_break_names)
{
    cr_expect(is_tight(10, "mac-studio-m5-ultra-80c-256gb"));
    cr_expect(not(is_tight(7, "mac-studio-m5-ultra-80c-256gb")));
    cr_expect(not(is_tight(10, "m5")));
}

Test(chart, a_chart_without_points_has_axes_all_the_same)
{
    mf_document d = {0};
    mf_str out = {0};
    mf_document_chart(&d, "none", "nothing", logarithmic, logarithmic);
    mf_document_series(&d, MF_MARK_CLOUD, false, "empty");
    mf_svg_write_file(&out, d.blocks[0].chart, "none");
    cr_expect(ne(ptr, strstr(out.data, "class=\"grid\""), NULL));
    cr_expect(eq(ptr, strstr(out.data, "nan"), NULL));
    mf_str_free(&out);
    mf_document_free(&d);
}

Test(chart, series_beyond_the_colours_differ_in_dashes_and_marks)
{
    mf_str seen[18] = {{0}};
    const mf_mark marks[] = {MF_MARK_LINE, MF_MARK_POINTS};
    const size_t distinct[] = {18, 12};
    for (size_t m = 0; m < 2; m++) {
        const mf_chart_series series = {.mark = marks[m]};
        for (size_t i = 0; i < distinct[m]; i++) {
            mf_svg_swatch(&seen[i], &series, i);
            for (size_t k = 0; k < i; k++) {
                cr_expect(ne(str, seen[i].data, seen[k].data), "%zu looks like %zu", i, k);
            }
        }
        for (size_t i = 0; i < distinct[m]; i++) {
            mf_str_free(&seen[i]);
        }
    }
}

/* Relative luminance of "#rgb" or "#rrggbb" (WCAG 2.1). */
static double luminance(const char *colour)
{
    const double weights[] = {0.2126, 0.7152, 0.0722};
    const size_t digits = strspn(colour + 1, "0123456789abcdef") == 3 ? 1 : 2;
    double sum = 0;
    for (size_t i = 0; i < 3; i++) {
        char text[3] = {colour[1 + i * digits], colour[digits == 1 ? 1 + i : 2 + i * 2], '\0'};
        const double c = (double)strtol(text, NULL, 16) / 255;
        sum += weights[i] * (c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

Test(chart, colours_stand_out_from_their_ground_in_every_scheme)
{
    static const char *const names[] = {"--fg:",
                                        "--soft:",
                                        "--good:",
                                        "--careful:",
                                        "--bad:",
                                        "--c1:",
                                        "--c2:",
                                        "--c3:",
                                        "--c4:",
                                        "--c5:",
                                        "--c6:"};
    const double least = 4.5;
    size_t n_schemes = 0;
    for (size_t piece = 0; piece < MF_STYLE_COUNT; piece++) {
        const char *scheme = mf_html_style[piece];
        while ((scheme = strstr(scheme, "--bg:")) != NULL) {
            const char *card = strstr(scheme, "--card:");
            cr_assert(ne(ptr, (void *)card, NULL));
            const double grounds[] = {luminance(scheme + strlen("--bg:")),
                                      luminance(card + strlen("--card:"))};
            for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                const char *colour = strstr(scheme, names[i]);
                cr_assert(ne(ptr, (void *)colour, NULL));
                const double l = luminance(colour + strlen(names[i]));
                for (size_t g = 0; g < 2; g++) {
                    const double ratio =
                        (fmax(l, grounds[g]) + 0.05) / (fmin(l, grounds[g]) + 0.05);
                    cr_expect(ge(dbl, ratio, least), "scheme %zu, %s", n_schemes, names[i]);
                }
            }
            n_schemes++;
            scheme++;
        }
    }
    cr_expect(eq(sz, n_schemes, 3));
}
