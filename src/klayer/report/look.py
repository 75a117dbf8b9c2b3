"""How the page looks: light and dark, on a wide screen, on a phone, on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --card: #f3f4f6; --ink: #1b1f24; --soft: #57606a; --rule: #d5d9de;
  --blue: #0072b2; --orange: #d55e00; --green: #009e73; --purple: #b3589a; --warn: #fff1d6;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1e2226; --ink: #e6e8ea; --soft: #a3abb3; --rule: #3a4047;
    --blue: #58b1ee; --orange: #ff9c56; --green: #3fcda2; --purple: #e39fca; --warn: #4a3710;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .75rem; }
a { color: var(--blue); }
.warning { background: var(--warn); padding: .75rem 1rem; border-radius: .4rem; font-weight: 600; }
.short { background: var(--card); padding: .5rem 1.25rem 1rem; border-radius: .5rem; }
.short h2 { margin: .5rem 0; }
.short dt { font-weight: 600; margin-top: .6rem; }
.short dd { margin: 0; }
.answer { border-left: .3rem solid var(--blue); padding: .1rem 0 .1rem .9rem; font-weight: 600; }
figure { margin: 1.5rem 0; break-inside: avoid; }
figcaption { color: var(--soft); font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; font-size: .85rem; margin: .4rem 0; }
.legend svg { width: 2rem; height: .8rem; margin-right: .35rem; vertical-align: -.1em; }
.panels {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1rem;
}
.panels.wide { grid-template-columns: 1fr; }
.panel h3 { font-size: .9rem; margin: 0 0 .2rem; text-align: center; }
.panel svg { display: block; width: 100%; height: auto; max-width: 40rem; margin: 0 auto; }
.wide .panel { overflow-x: auto; }
.wide .panel svg { max-width: none; min-width: 36rem; }
.panel text { font-family: inherit; fill: var(--ink); }
.scroll { overflow-x: auto; margin: 1.25rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td {
  padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid var(--rule);
  vertical-align: top;
}
thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody th, td { white-space: nowrap; }
td:last-child { white-space: normal; min-width: 9rem; }
.pictures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1rem;
}
.pictures img { width: 100%; image-rendering: pixelated; background: var(--card); }
.examples {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem;
}
.example {
  display: flex; gap: .7rem; align-items: flex-start; font-size: .8rem; break-inside: avoid;
}
.example img { width: 4.5rem; height: 4.5rem; image-rendering: pixelated; border-radius: .25rem; }
.example div { flex: 1; }
.bar {
  background: linear-gradient(var(--bar), var(--bar)) 0 100% / var(--share) 3px no-repeat;
  padding-bottom: 3px;
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  tr, .panel, .answer { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
