#include "tools/events/engine_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// Of the whole process. A result's text counts here alone; it is noticed once it is there, so that
// the peak is up to twice as much.
static const char config[] = "<clickhouse>\n"
                             " <max_server_memory_usage>2147483648</max_server_memory_usage>\n"
                             "</clickhouse>\n";

// The one user. The library has no fences of its own: as a shell's engine it would read any file,
// ask any server and, for a dictionary, run any command. SOURCES are the table functions that reach
// beyond the data folder, TABLE ENGINE ON * the engines that do (others need no grant); SYSTEM
// SHUTDOWN would signal the whole process group. sandbox.h is the second fence.
//
// Limits: a dashboard's query takes a fraction of each; a request may set others, up to the maximum.
static const char users[] =
    "<clickhouse>\n"
    " <profiles><default>\n"
    "  <max_execution_time>60</max_execution_time>\n"
    "  <max_memory_usage>1073741824</max_memory_usage>\n"
    "  <max_result_bytes>268435456</max_result_bytes>\n"
    "  <constraints>\n"
    "   <max_execution_time><min>1</min><max>600</max></max_execution_time>\n"
    "   <max_memory_usage><min>1</min><max>2147483648</max></max_memory_usage>\n"
    "   <max_result_bytes><min>1</min><max>268435456</max></max_result_bytes>\n"
    "   <result_overflow_mode><readonly/></result_overflow_mode>\n"
    "   <timeout_overflow_mode><readonly/></timeout_overflow_mode>\n"
    "  </constraints>\n"
    " </default></profiles>\n"
    " <users><default>\n"
    "  <password></password>\n"
    "  <networks><ip>::/0</ip></networks>\n"
    "  <profile>default</profile>\n"
    "  <quota>default</quota>\n"
    "  <grants>\n"
    "   <query>GRANT ALL ON *.*</query>\n"
    "   <query>REVOKE SOURCES ON *.*</query>\n"
    "   <query>REVOKE TABLE ENGINE ON *</query>\n"
    "   <query>REVOKE CREATE DICTIONARY, SYSTEM SHUTDOWN ON *.*</query>\n"
    "  </grants>\n"
    " </default></users>\n"
    " <quotas><default></default></quotas>\n"
    "</clickhouse>\n";

static bool write_file(const char *folder, const char *name, const char *text, char *why,
                       size_t why_bytes)
{
    char path[4352];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    bool right = file && fputs(text, file) >= 0;
    right = file && fclose(file) == 0 && right;
    if (!right) {
        snprintf(why, why_bytes, "cannot write %s: %s", path, strerror(errno));
    }
    return right;
}

bool events_config_write(const char *folder, char *why, size_t why_bytes)
{
    return write_file(folder, EVENTS_CONFIG_FILE, config, why, why_bytes) &&
           write_file(folder, EVENTS_USERS_FILE, users, why, why_bytes);
}
