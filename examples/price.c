/* price.h: what a machine costs, and the cheapest offer of a provider. Argument: a folder with hwdb/ and modeldb/. */
#include <stdio.h>

#include <memfit/price.h>

static mf_status show(const mf_prices *prices, const mf_machine *machine, mf_error *err)
{
    const mf_price price = mf_price_machine(prices, machine, MF_NEW, 0);
    if (price.known) {
        printf("%s: %.0f %s, %s\n",
               machine->id,
               price.value,
               mf_currency_name(price.currency),
               price.row->date);
    }
    const mf_rental *offer = NULL;
    bool chosen = false;
    const mf_status status = mf_price_rental(&offer, &chosen, prices, "runpod-h100-sxm", err);
    if (status == MF_OK) {
        printf("%s: %.2f %s per hour, %s\n",
               offer->id,
               offer->per_hour.amount.value,
               mf_currency_name(offer->per_hour.currency),
               offer->date);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    mf_error err = {0};
    mf_database *database = NULL;
    mf_machine *machine = NULL;
    mf_prices *prices = NULL;
    mf_status status = mf_database_open(&database, &folder, 1, &err);
    if (status == MF_OK) {
        status = mf_database_machine(&machine, database, "mac-studio-m5-max-40c-128gb", &err);
    }
    if (status == MF_OK) {
        status = mf_prices_load(&prices, database, &err);
    }
    if (status == MF_OK) {
        status = show(prices, machine, &err);
    }
    if (status != MF_OK) {
        fprintf(stderr, "%s\n", err.message);
    }
    mf_prices_free(prices);
    mf_machine_free(machine);
    mf_database_close(database);
    return mf_status_exit_code(status);
}
