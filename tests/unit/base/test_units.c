#include "base/units.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

typedef struct quantity_case {
    char text[24];
    mf_dimension dimension;
    double value;
} quantity_case;

/* A row for every prefix: a wrong power in the table would hide behind the others. */
static quantity_case quantities[] = {
    {"3 KiB",        MF_DIM_CAPACITY,  3072.0         },
    {"5 MiB",        MF_DIM_CAPACITY,  5242880.0      },
    {"24 GiB",       MF_DIM_CAPACITY,  25769803776.0  },
    {"2TiB",         MF_DIM_CAPACITY,  2199023255552.0},
    {"7 MB/s",       MF_DIM_BANDWIDTH, 7e6            },
    {"273 GB/s",     MF_DIM_BANDWIDTH, 273e9          },
    {"1.2 TB/s",     MF_DIM_BANDWIDTH, 1.2e12         },
    {"11 GFLOP/s",   MF_DIM_FLOP_RATE, 11e9           },
    {"29.5 TFLOP/s", MF_DIM_FLOP_RATE, 29.5e12        },
    {"1.5 PFLOP/s",  MF_DIM_FLOP_RATE, 1.5e15         },
    {"13 GOP/s",     MF_DIM_OP_RATE,   13e9           },
    {"59 TOP/s",     MF_DIM_OP_RATE,   59e12          },
    {"145 W",        MF_DIM_POWER,     145.0          },
    {"1.4 kW",       MF_DIM_POWER,     1400.0         },
    {"300 us",       MF_DIM_TIME,      300e-6         },
    {"9 ns",         MF_DIM_TIME,      9e-9           },
    {"8 ms",         MF_DIM_TIME,      8e-3           },
    {"2 s",          MF_DIM_TIME,      2.0            },
    {"1578 MHz",     MF_DIM_FREQUENCY, 1.578e9        },
    {"2.5 GHz",      MF_DIM_FREQUENCY, 2.5e9          },
    {"3499 USD",     MF_DIM_MONEY,     3499.0         },
    {"75 %",         MF_DIM_FRACTION,  0.75           },
};

ParameterizedTestParameters(units, parses_every_unit)
{
    return cr_make_param_array(quantity_case, quantities, sizeof quantities / sizeof quantities[0]);
}

ParameterizedTest(quantity_case *row, units, parses_every_unit)
{
    double value = 0;
    mf_error err = {0};
    cr_assert(eq(int, mf_parse_quantity(&value, row->text, row->dimension, &err), MF_OK),
              "%s: %s",
              row->text,
              err.message);
    cr_expect(epsilon_eq(dbl, value / row->value, 1.0, 1e-12), "%s", row->text);
}

static const char *refusal(const char *text, mf_dimension dimension)
{
    static mf_error err;
    err = (mf_error){0};
    double value = 0;
    cr_expect(eq(int, mf_parse_quantity(&value, text, dimension, &err), MF_E_DATA), "%s", text);
    return err.message;
}

Test(units, the_message_shows_the_cure)
{
    cr_expect(
        eq(str, (char *)refusal("200", MF_DIM_BANDWIDTH), "'200' has no unit, write \"273 GB/s\""));
    cr_expect(ne(ptr, strstr(refusal("24 GB", MF_DIM_CAPACITY), "\"GiB\""), NULL));
    cr_expect(
        ne(ptr, strstr(refusal("200 GiB/s", MF_DIM_BANDWIDTH), "unknown unit 'GiB/s'"), NULL));
    cr_expect(ne(ptr, strstr(refusal("fast", MF_DIM_BANDWIDTH), "is not a quantity"), NULL));
    cr_expect(ne(ptr, strstr(refusal("-3 W", MF_DIM_POWER), "is not a quantity"), NULL));
}

Test(units, prints_in_the_unit_people_use)
{
    char buffer[MF_NUMBER_SIZE + 16];
    cr_expect(eq(str, (char *)mf_quantity_text(buffer, 273e9, MF_DIM_BANDWIDTH, 3), "273 GB/s"));
    cr_expect(
        eq(str, (char *)mf_quantity_text(buffer, 1.008e12, MF_DIM_BANDWIDTH, 4), "1008 GB/s"));
    cr_expect(eq(str, (char *)mf_bytes_text(buffer, 42520395776.0, 3), "39.6 GiB"));
    cr_expect(eq(str, (char *)mf_bytes_text(buffer, 536870912.0, 3), "512 MiB"));
    cr_expect(eq(str, (char *)mf_quantity_text(buffer, 0.0123, MF_DIM_TIME, 3), "12.3 ms"));
}

Test(units, a_dimension_lists_its_units)
{
    cr_expect(eq(str, (char *)mf_dimension_unit(MF_DIM_OP_RATE, 0), "GOP/s"));
    cr_expect(eq(str, (char *)mf_dimension_unit(MF_DIM_OP_RATE, 1), "TOP/s"));
    cr_expect(mf_dimension_unit(MF_DIM_OP_RATE, 2) == NULL);
}
