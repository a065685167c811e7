#include "report/html.h"

void mf_html_escape(mf_str *out, const char *text)
{
    static const char *const entities[128] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;"};
    for (const char *c = text; *c != '\0'; c++) {
        const unsigned char code = (unsigned char)*c;
        const char *entity = code < sizeof entities / sizeof entities[0] ? entities[code] : NULL;
        mf_str_add(out, entity != NULL ? entity : (char[]){*c, '\0'});
    }
}
