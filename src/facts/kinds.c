#include "facts/kinds.h"

#include <string.h>

#include "facts/readers.h"

static const mf_file_info infos[MF_FILE_KIND_COUNT] = {
    [MF_FILE_DEVICE] = {.name = "device",
                        .table = &mf_device_table,
                        .folder = "hwdb/devices",
                        .schema = "hwdb/device.schema.json"     },
    [MF_FILE_MACHINE] = {.name = "machine",
                        .table = &mf_machine_table,
                        .folder = "hwdb/machines",
                        .schema = "hwdb/machine.schema.json"    },
    [MF_FILE_ENGINE] = {.name = "engine",
                        .table = &mf_engine_table,
                        .folder = "hwdb/engines",
                        .schema = "hwdb/engine.schema.json"     },
    [MF_FILE_MODEL] = {.name = "model",
                        .table = &mf_model_table,
                        .folder = "modeldb/models",
                        .schema = "modeldb/model.schema.json"   },
    [MF_FILE_LINKS] = {.name = "links",
                        .table = &mf_links_table,
                        .file = "hwdb/links.json",
                        .schema = "hwdb/links.schema.json"      },
    [MF_FILE_GPU_LIMITS] = {.name = "gpu_limits",
                        .table = &mf_gpu_limits_table,
                        .file = "hwdb/gpu_limits.json",
                        .schema = "hwdb/gpu_limits.schema.json" },
    [MF_FILE_KERNELS] = {.name = "kernels",
                        .table = &mf_kernels_table,
                        .file = "hwdb/kernels.json",
                        .schema = "hwdb/kernels.schema.json"    },
    [MF_FILE_PURCHASES] = {.name = "purchase",
                        .table = &mf_purchases_table,
                        .file = "hwdb/prices/purchase.json",
                        .schema = "hwdb/purchase.schema.json"   },
    [MF_FILE_RENTALS] = {.name = "rentals",
                        .table = &mf_rentals_table,
                        .file = "hwdb/prices/rentals.json",
                        .schema = "hwdb/rentals.schema.json"    },
    [MF_FILE_ELECTRICITY] = {.name = "electricity",
                        .table = &mf_electricity_table,
                        .file = "hwdb/prices/electricity.json",
                        .schema = "hwdb/electricity.schema.json"},
    [MF_FILE_ECONOMICS] = {.name = "economics",
                        .table = &mf_economics_table,
                        .file = "hwdb/prices/economics.json",
                        .schema = "hwdb/economics.schema.json"  },
    [MF_FILE_ASSUMPTIONS] = {.name = "assumptions",
                        .table = &mf_assumptions_table,
                        .file = "hwdb/prices/assumptions.json",
                        .schema = "hwdb/assumptions.schema.json"},
    [MF_FILE_QUANTS] = {.name = "quants",
                        .table = &mf_quants_table,
                        .file = "modeldb/quants.json",
                        .schema = "modeldb/quants.schema.json"  },
    [MF_FILE_RELEASES] = {.name = "releases",
                        .table = &mf_releases_table,
                        .file = "modeldb/releases.json",
                        .schema = "modeldb/releases.schema.json"},
    [MF_FILE_RECORD] = {.name = "record",
                        .table = &mf_record_table,
                        .folder = "hwdb/records",
                        .schema = "hwdb/record.schema.json"     },
};

const mf_file_info *mf_file_kind_info(mf_file_kind kind)
{
    return &infos[kind];
}

mf_status mf_file_kind_by_name(mf_file_kind *kind, const char *name, mf_error *err)
{
    mf_nearest nearest = {.text = name};
    for (size_t i = 0; i < MF_FILE_KIND_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0) {
            *kind = (mf_file_kind)i;
            return MF_OK;
        }
        mf_nearest_try(&nearest, infos[i].name);
    }
    if (nearest.best != NULL) {
        return mf_fail(
            err, MF_E_UNKNOWN, "unknown kind '%s', did you mean '%s'?", name, nearest.best);
    }
    mf_str names = {0};
    for (size_t i = 0; i < MF_FILE_KIND_COUNT; i++) {
        mf_str_printf(&names, "%s%s", i > 0 ? ", " : "", infos[i].name);
    }
    const mf_status status = mf_fail(err,
                                     MF_E_UNKNOWN,
                                     "unknown kind '%.40s', write one of %s",
                                     name,
                                     names.data != NULL ? names.data : "");
    mf_str_free(&names);
    return status;
}

/* Keys that the table knows, less those it does not, down to the first row. */
static int score(const mf_table *table, const mf_node *object)
{
    int points = 0;
    for (const mf_node *child = mf_node_first(object); child != NULL; child = mf_node_next(child)) {
        const mf_field *field = mf_table_field(table, mf_node_key(child));
        points += field != NULL ? 1 : -1;
        const mf_node *row = mf_node_first(child);
        if (field == NULL || field->kind != MF_FIELD_LIST || strcmp(field->key, "rows") != 0) {
            continue;
        }
        for (const mf_node *cell = mf_node_first(row); cell != NULL; cell = mf_node_next(cell)) {
            points += mf_table_field(field->table, mf_node_key(cell)) != NULL ? 1 : -1;
        }
    }
    return points;
}

bool mf_file_kind_guess(mf_file_kind *kind, const mf_node *root)
{
    if (mf_node_kind_of(root) != MF_NODE_OBJECT) {
        return false;
    }
    int best = 0;
    for (size_t i = 0; i < MF_FILE_KIND_COUNT; i++) {
        const int points = score(infos[i].table, root);
        if (points > best) {
            best = points;
            *kind = (mf_file_kind)i;
        }
    }
    return best > 0;
}
