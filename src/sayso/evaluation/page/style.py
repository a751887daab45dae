"""Style sheet of the page about results, on light and on dark paper."""

STYLE = """
:root { --paper: #fbfaf8; --card: #fff; --ink: #22252a; --faint: #6c727c; --line: #e4e2dd;
  --empty: #eceae6; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --card: #1e2126; --ink: #e8e6e1;
  --faint: #9aa1ac; --line: #343942; --empty: #2c3038; } }
body { margin: 0 auto; max-width: 1080px; padding: 28px 22px 60px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0; }
h2 { font-size: 20px; margin: 40px 0 6px; }
h3 { margin: 0 0 2px; font-size: 17px; }
p { margin: 2px 0 10px; }
.big { font-size: 30px; margin: 10px 0 0; }
.faint { color: var(--faint); font-size: 13px; }
section, details { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding:
  16px 18px; margin: 14px 0; }
section details { padding: 8px 12px; }
summary { cursor: pointer; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; color: var(--faint); font-weight: 500; font-size: 13px; }
td, th { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
code { font-size: 12px; overflow-wrap: anywhere; }
svg text { fill: var(--ink); font-size: 12px; }
svg .tick { fill: var(--faint); }
svg .end { text-anchor: end; }
svg .mid { text-anchor: middle; }
svg .on { fill: #fff; text-anchor: middle; }
svg .empty { fill: var(--empty); }
svg .grid { stroke: var(--line); }
svg .whisker { stroke: var(--ink); stroke-width: 1.4; fill: none; opacity: 0.75; }
svg.plot { max-width: 100%; height: auto; }
figure { margin: 0; }
figcaption { margin: 4px 0; font-weight: 600; }
.plots, .films { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 440px), 1fr));
  gap: 22px; }
.films { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
video { width: 100%; border-radius: 8px; background: #000; }
.films figcaption { font-weight: 400; font-size: 13px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 13px; margin: 6px 0 0; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 5px; }
ul { margin: 6px 0; padding-left: 20px; }
"""
