/*
 * html_style.c - the look of a page and the script that sorts its tables, as they stand in every file.
 *
 * Colours have 4.5:1 contrast or more on their ground in both schemes (WCAG 2.1, 1.4.3); text on bars is beside them.
 */
#include "report/html.h"

/* clang-format off */
const char *const mf_html_style[MF_STYLE_COUNT] = {
    [MF_STYLE_COLOURS] =
    ":root{--bg:#fff;--fg:#1a1c1f;--soft:#5b6068;--line:#d9dce1;--card:#f5f6f8;--shade:#0003;--good:#0b6b34;--careful:#8a5300;--bad:#b0201b;"
    "--c1:#1f5fb4;--c2:#b4451f;--c3:#2c7a3d;--c4:#7a3fa8;--c5:#8a6100;--c6:#0f7280}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#14161a;--fg:#e8eaed;--soft:#a4abb6;--line:#353a43;--card:#1e2127;--shade:#fff3;"
    "--good:#58c985;--careful:#e0a64a;--bad:#f07f78;--c1:#7db1f5;--c2:#f29a74;--c3:#78cc8a;--c4:#c79af0;--c5:#d9b34e;--c6:#63c6d4}}\n"
    ,
    [MF_STYLE_PAGE] =
    "*{box-sizing:border-box}\n"
    "html{color-scheme:light dark}\n"
    "body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\n"
    "main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 4rem}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.3rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--line);"
    "padding-bottom:.2rem}h3{font-size:1.05rem;margin:1.6rem 0 .5rem}\n"
    "p{margin:.5rem 0;max-width:44rem}.detail,figcaption,small{color:var(--soft)}\n"
    "a{color:var(--c1)}sup{line-height:0}sup a{text-decoration:none;padding:0 .1em}\n"
    ".verdict{border-left:4px solid var(--soft);background:var(--card);padding:.6rem .8rem;margin:1rem 0}\n"
    ".verdict strong{margin-right:.4em}.verdict.good{border-color:var(--good)}.verdict.careful{border-color:var(--careful)}"
    ".verdict.bad{border-color:var(--bad)}.good strong{color:var(--good)}.careful strong{color:var(--careful)}.bad strong{color:var(--bad)}\n"
    "dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.15rem 1rem;margin:.6rem 0}dt{color:var(--soft)}dd{margin:0}\n"
    ".scroll{overflow-x:auto;margin:.6rem 0}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:min(100%,24rem)}\n"
    "th,td{padding:.28rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;vertical-align:top}\n"
    "th:first-child{text-align:left;padding-left:0}tbody th{font-weight:400}.nb{white-space:nowrap}"
    "td.wide{white-space:normal;min-width:14rem;text-align:left}"
    ".text{text-align:left}\n"
    "thead th{border-bottom:2px solid var(--line);color:var(--soft);font-weight:600}\n"
    "th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid var(--c1);outline-offset:2px}\n"
    "th[aria-sort=ascending] button::after{content:\" \\25B2\"}th[aria-sort=descending] button::after{content:\" \\25BC\"}\n"
    "td.bar{width:40%;min-width:8rem}td.bar i{display:block;height:.8rem;margin-top:.35rem;background:var(--c1);border-radius:2px;min-width:1px;"
    "print-color-adjust:exact;-webkit-print-color-adjust:exact}\n"
    "pre{background:var(--card);padding:.7rem .9rem;white-space:pre-wrap;overflow-wrap:anywhere;font:14px/1.5 ui-monospace,"
    "SFMono-Regular,Menlo,monospace}\n"
    "ul,ol{padding-left:1.4rem}li{margin:.15rem 0}ol.sources{padding-left:2.8rem;font-size:.88rem;color:var(--soft)}"
    "ol.sources li:target{background:var(--card);color:var(--fg)}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1.2rem;margin:1rem 0}\n"
    "figure{margin:0;min-width:0}figure h3{margin:.2rem 0 .3rem}figure svg{width:100%;height:auto;display:block;max-width:40rem}\n"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:.2rem 0;padding:0;font-size:.88rem}"
    ".legend svg{width:2em;height:.8em;display:inline-block;margin-right:.35em}\n"
    ,
    [MF_STYLE_DRAWING] =
    "svg text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;fill:var(--fg)}svg .tick,svg .title{fill:var(--soft)}"
    "svg .label{font-size:11.5px;paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}\n"
    "svg .grid{stroke:var(--line);stroke-width:1}svg .rule{stroke:var(--fg);stroke-width:1.2;stroke-dasharray:5 3}\n"
    "svg .line{fill:none;stroke-width:2;stroke-linejoin:round}svg .dashed{stroke-dasharray:6 4}svg .dotted{stroke-dasharray:2 3}svg .chained{"
    "stroke-dasharray:9 3 2 3}svg .cloud{fill-opacity:.5}"
    "svg .ground{fill:var(--bg)}svg .cross{stroke-width:1.2;opacity:.7}"
    "svg .band{opacity:.16}svg .good{fill:var(--good)}svg .careful{fill:var(--careful)}svg .bad{fill:var(--bad)}\n"
    ".s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}\n"
    ".f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}\n"
    ,
    [MF_STYLE_MEDIA] =
    "@media (max-width:30rem){body{font-size:15px}th,td{padding:.25rem .5rem}td.bar{min-width:5rem}dl{grid-template-columns:1fr}"
    "dt{margin-top:.4rem}tbody th{white-space:normal;min-width:7rem}"
    "main{padding:1rem .75rem 3rem}.sort th:first-child{position:sticky;left:0;background:var(--bg)}"
    "td sup:has(wbr){display:block;max-width:7em;margin-left:auto;white-space:normal;line-height:1.2}td sup a{white-space:nowrap}"
    "figure svg{overflow:visible}svg text{font-size:13px}svg .label{font-size:12.5px}}\n"
    "@media (max-width:74rem){.scroll{background:linear-gradient(to left,var(--bg) 30%,transparent) right/3rem 100% no-repeat local,"
    "linear-gradient(to left,var(--shade),transparent) right/1.2rem 100% no-repeat}}\n"
    "@media (min-width:30.01rem) and (max-width:74rem){tbody th,td.text{white-space:normal}tbody th{min-width:8rem}}\n"
    "@media print,(min-width:30.01rem){.tight th,.tight td{padding:.28rem .4rem}.tight th:first-child{padding-left:0}"
    ".tight th,.tight td:not([data-v]){white-space:normal}}\n"
    "@media print{:root{--bg:#fff;--fg:#000;--soft:#444;--line:#bbb;--card:#f2f2f2;--good:#0b6b34;--careful:#8a5300;--bad:#b0201b;--c1:#1f5fb4;"
    "--c2:#b4451f;--c3:#2c7a3d;--c4:#7a3fa8;--c5:#8a6100;--c6:#0f7280}body{font-size:10.5pt}main{max-width:none;padding:0}"
    ".charts{grid-template-columns:1fr 1fr}figure svg{max-width:28rem}"
    "figure,table,dl,.verdict{break-inside:avoid}.scroll{overflow:visible}h2,h3,h2+p{break-after:avoid}"
    ".tight th.text:not(:first-child){min-width:6em}"
    "th button::after{content:\"\"!important}}\n"};

const char *const mf_html_script =
    "document.querySelectorAll('table.sort').forEach(function(t){var b=t.tBodies[0];t.querySelectorAll('thead button').forEach(function(u,i){"
    "u.addEventListener('click',function(){var h=u.parentNode,up=h.getAttribute('aria-sort')!=='ascending';"
    "t.querySelectorAll('thead th').forEach(function(x){x.removeAttribute('aria-sort')});h.setAttribute('aria-sort',up?'ascending':'descending');"
    "function key(r){var c=r.cells[i],v=c.getAttribute('data-v');return v===null?c.textContent:parseFloat(v)}"
    "Array.prototype.slice.call(b.rows).sort(function(p,q){var x=key(p),y=key(q),n=typeof x==='number',m=typeof y==='number';"
    "var d=n&&m?x-y:n!==m?(n?-1:1):x.localeCompare(y,'en',{numeric:true});return up?d:-d}).forEach(function(r){b.appendChild(r)})})})});\n";
/* clang-format on */
