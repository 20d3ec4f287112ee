"use strict";
// Draws the charts and tables of a page from the one JSON block in it. No library, no network, no eval.
// Every text from outside is set with textContent. A curve is drawn with at most two points for each pixel column.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 74, RIGHT = 14, TOP = 26, BOTTOM = 22, DAY = 86400;
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  let clips = 0;
  const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

  const node = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(made);
    return made;
  };
  const element = (name, words, parent, kind) => {
    const made = document.createElement(name);
    if (words !== undefined && words !== null) made.textContent = words;
    if (kind) made.className = kind;
    if (parent) parent.appendChild(made);
    return made;
  };

  const formats = {
    money: v => (v < 0 ? "-" : "") + data.unit + money.format(Math.abs(v)),
    percent: v => `${(100 * v).toFixed(2)} %`,
    number: v => v.toFixed(2),
    index: v => v.toFixed(1),
  };
  // Decimals that tell two neighbouring ticks apart: 2.5 needs one, 5 none.
  const places = step => Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9) + (/^2\.?5/.test(step.toPrecision(2)) ? 1 : 0)));
  const shortMoney = (v, step) => {
    const a = Math.abs(v), sign = v < 0 ? "-" : "";
    const [unit, word] = a >= 1e9 && step >= 1e6 ? [1e9, "B"] : a >= 1e6 && step >= 1e3 ? [1e6, "M"] : a >= 1e4 && step >= 100 ? [1e3, "k"] : [1, ""];
    const digits = places(step / unit);
    return `${sign}${data.unit}${(a / unit).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })}${word}`;
  };
  const tickText = {
    money: shortMoney,
    percent: (v, step) => `${(100 * v).toFixed(places(100 * step))} %`,
    number: (v, step) => v.toFixed(places(step)),
    index: (v, step) => v.toFixed(places(step)),
  };

  const times = data.times.map(deltas => {
    let now = 0;
    return deltas.map(step => (now += step));
  });
  const pad = n => String(n).padStart(2, "0");
  const moment = (s, clock) => {
    const d = new Date(1000 * s), day = `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`;
    return clock ? `${day} ${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())} UTC` : day;
  };
  // The first index whose time is not before s.
  const place = (list, s) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < s) low = middle + 1; else high = middle;
    }
    return low;
  };

  function niceStep(span, most) {
    const rough = span / Math.max(1, most), power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 2.5, 5, 10].map(k => k * power).find(step => step >= rough * 0.999) || power;
  }
  function valueTicks(low, high, most, log) {
    if (!log) {
      const step = niceStep(high - low, most), found = [];
      for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push([k * step, step]);
      return found;
    }
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const k of [1, 2, 3, 5, 7]) if (k * 10 ** power >= low && k * 10 ** power <= high) found.push([k * 10 ** power, 10 ** power]);
    return found.length > 1 ? found : valueTicks(low, high, most, false);
  }
  function timeTicks(from, to, most) {
    const span = to - from, found = [];
    const days = [1, 2, 7, 14].find(n => span / (n * DAY) <= most), months = [1, 3, 6].find(n => span / (n * 30.4 * DAY) <= most);
    if (span < most * 0.8 * DAY) {
      const step = [60, 300, 900, 1800, 3600, 7200, 10800, 21600, 43200].find(n => span / n <= most) || DAY;
      for (let s = Math.ceil(from / step) * step; s <= to; s += step) {
        const d = new Date(1000 * s), midnight = s % DAY === 0;
        found.push([s, midnight ? `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}` : `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}`]);
      }
    } else if (days) {
      for (let s = Math.ceil(from / (days * DAY)) * days * DAY; s <= to; s += days * DAY) {
        const d = new Date(1000 * s);
        found.push([s, `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`]);
      }
    } else {
      const step = months || 12 * [1, 2, 5, 10, 20, 50].find(n => span / (n * 365.25 * DAY) <= most) || 1200, first = new Date(1000 * from);
      for (let m = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step; ; m += step) {
        const s = Date.UTC(Math.floor(m / 12), m % 12, 1) / 1000;
        if (s > to) break;
        if (s >= from) found.push([s, m % 12 === 0 ? String(m / 12) : MONTHS[m % 12]]);
      }
    }
    return found;
  }

  // Returns the points to draw of one series: all that are in sight, or both extremes of every pixel column.
  function seen(series, from, to, columns) {
    const at = times[series.t], v = series.v;
    let first = Math.max(0, place(at, from) - 1), last = Math.min(at.length - 1, place(at, to));
    if (last - first <= 2 * columns) return Array.from({ length: last - first + 1 }, (_, k) => first + k);
    const kept = [];
    for (let c = 0; c < columns; c++) {
      const start = first + Math.floor((last - first + 1) * c / columns), stop = first + Math.floor((last - first + 1) * (c + 1) / columns);
      let low = -1, high = -1;
      for (let i = start; i < stop; i++) {
        if (v[i] === null) continue;
        if (low < 0 || v[i] < v[low]) low = i;
        if (high < 0 || v[i] > v[high]) high = i;
      }
      if (low >= 0) kept.push(Math.min(low, high));
      if (high >= 0 && high !== low) kept.push(Math.max(low, high));
    }
    return kept;
  }

  class Charts {
    constructor(host, panels) {
      this.host = host;
      this.panels = panels.map((panel, k) => ({ ...panel, axis: k === 0 || k === panels.length - 1 }));
      this.full = this.reach();
      [this.from, this.to] = this.full;
      this.clock = this.panels.some(p => p.series.some(s => times[s.t].length > 1 && times[s.t][1] - times[s.t][0] < DAY / 2));
      this.toolbar();
      for (const panel of this.panels) {
        panel.svg = node("svg", { class: "panel", role: "img", "aria-label": `${panel.title}. ${panel.help}` }, host);
        panel.below = panel.axis ? BOTTOM : 4;
        panel.svg.style.height = `${panel.height + TOP + panel.below}px`;
      }
      this.tip = element("div", null, host, "tip");
      this.listen();
      new ResizeObserver(() => this.draw()).observe(host);
    }
    reach() {
      const ends = this.panels.flatMap(p => p.series.map(s => [times[s.t][0], times[s.t][times[s.t].length - 1]]));
      const from = Math.min(...ends.map(e => e[0])), to = Math.max(...ends.map(e => e[1]));
      return to > from ? [from, to] : [from - DAY / 2, to + DAY / 2];
    }
    toolbar() {
      const bar = element("div", null, this.host, "bar"), span = this.full[1] - this.full[0];
      const spans = [["1D", 1], ["1W", 7], ["1M", 30.4], ["6M", 182.6], ["1Y", 365.25], ["5Y", 1826.25]];
      for (const [word, days] of spans.filter(([, d]) => d * DAY < span && d * DAY > span / 400).slice(-5))
        element("button", word, bar).onclick = () => this.zoom(this.full[1] - days * DAY, this.full[1]);
      element("button", "All", bar).onclick = () => this.zoom(...this.full);
      for (const panel of this.panels.filter(p => p.log)) {
        const button = element("button", "Log scale", bar);
        button.setAttribute("aria-pressed", "false");
        button.onclick = () => {
          panel.isLog = !panel.isLog;
          button.setAttribute("aria-pressed", String(panel.isLog));
          this.draw();
        };
      }
      element("span", "drag to zoom, double-click for all, arrow keys to read", bar, "hint");
    }
    zoom(from, to) {
      const least = this.clock ? 600 : 5 * DAY;
      if (to - from < least) [from, to] = [(from + to - least) / 2, (from + to + least) / 2];
      this.from = Math.max(this.full[0], from);
      this.to = Math.min(this.full[1], to);
      this.hover(null);
      this.draw();
    }
    get width() { return Math.max(240, this.host.clientWidth); }
    x(s) { return LEFT + (s - this.from) / (this.to - this.from) * (this.width - LEFT - RIGHT); }
    time(x) { return this.from + (x - LEFT) / (this.width - LEFT - RIGHT) * (this.to - this.from); }
    draw() { for (const panel of this.panels) this.drawPanel(panel); }
    drawPanel(panel) {
      const svg = panel.svg, wide = this.width, plot = wide - LEFT - RIGHT;
      svg.setAttribute("viewBox", `0 0 ${wide} ${panel.height + TOP + panel.below}`);
      svg.replaceChildren();
      const shown = panel.series.map(s => seen(s, this.from, this.to, Math.max(60, Math.floor(plot))));
      const values = shown.flatMap((list, k) => list.map(i => panel.series[k].v[i]).filter(v => v !== null));
      const title = node("text", { x: LEFT, y: 15, class: "title" }, svg);
      title.textContent = panel.title;
      node("title", {}, title).textContent = panel.help;
      if (!values.length) {
        node("text", { x: LEFT + plot / 2, y: TOP + panel.height / 2, class: "nothing" }, svg).textContent = panel.empty || "nothing to draw here";
        panel.y = null;
        return;
      }
      let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
      if (panel.zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
      const log = panel.isLog && low > 0;
      if (low === high) [low, high] = low === 0 ? (panel.below_zero ? [-0.1, 0] : [0, 1]) : [low - Math.abs(low) * 0.01, high + Math.abs(high) * 0.01];
      const air = (high - low) * 0.05;
      if (log) [low, high] = [low / 1.02, high * 1.02];
      else [low, high] = [panel.zero && low === 0 ? 0 : low - air, panel.zero && high === 0 ? 0 : high + air];
      const f = log ? Math.log : v => v;
      panel.y = v => TOP + (f(high) - f(v)) / (f(high) - f(low)) * panel.height;
      let above = Infinity;
      for (const [value, step] of valueTicks(low, high, Math.max(4, panel.height / 42), log)) {
        const y = panel.y(value);
        if (above - y < 15) continue;
        above = y;
        node("line", { x1: LEFT, x2: wide - RIGHT, y1: y, y2: y, class: value === 0 ? "zero" : "grid" }, svg);
        node("text", { x: LEFT - 8, y: y + 4, class: "tick left" }, svg).textContent = tickText[panel.format](value, step);
      }
      let right = -Infinity;
      if (panel.axis) for (const [s, word] of timeTicks(this.from, this.to, Math.max(2, plot / 76))) {
        const x = this.x(s);
        if (x - right < 44 || x > wide - RIGHT - 4 || x < LEFT + 4) continue;
        right = x;
        node("text", { x, y: TOP + panel.height + 16, class: "tick under" }, svg).textContent = word;
      }
      const id = `clip${++clips}`, clip = node("clipPath", { id }, node("defs", {}, svg));
      node("rect", { x: LEFT, y: TOP - 2, width: plot, height: panel.height + 4 }, clip);
      const area = node("g", { "clip-path": `url(#${id})` }, svg);
      panel.series.forEach((series, k) => this.drawSeries(panel, series, shown[k], area));
      this.drawMarks(panel, area);
      this.drawLegend(panel, svg, wide);
      panel.cross = node("g", { class: "cross" }, svg);
    }
    drawSeries(panel, series, list, area) {
      const at = times[series.t], base = panel.y(Math.max(0, 0)).toFixed(1);
      let path = "", fill = "", open = null, x = 0;
      const close = () => { if (series.area && open !== null) fill += `L${x.toFixed(1)},${base}L${open.toFixed(1)},${base}Z`; open = null; };
      for (const i of list) {
        if (series.v[i] === null) { close(); continue; }
        x = this.x(at[i]);
        const point = `${x.toFixed(1)},${panel.y(series.v[i]).toFixed(1)}`;
        path += (open === null ? "M" : "L") + point;
        fill += (open === null ? "M" : "L") + point;
        if (open === null) open = x;
      }
      close();
      if (series.area) node("path", { d: fill, class: `area ${series.colour}` }, area);
      node("path", { d: path, class: `line ${series.colour}${series.thin ? " thin" : ""}` }, area);
      if (list.length === 1 && path) node("circle", { cx: x, cy: panel.y(series.v[list[0]]), r: 3, class: `dot ${series.colour}` }, area);
    }
    drawMarks(panel, area) {
      for (const [kind, at] of Object.entries(panel.marks || {})) {
        const list = at.filter(([s]) => s >= this.from && s <= this.to);
        if (list.length > 250) continue;
        for (const [s, v] of list) {
          const x = this.x(s), y = panel.y(v), up = kind === "entry" ? 1 : -1;
          const mark = node("path", { d: `M${x},${y + 3 * up}l-4.5,${8 * up}h9Z`, class: `mark ${kind}` }, area);
          node("title", {}, mark).textContent = `${kind}, ${moment(s, this.clock)}`;
        }
      }
    }
    drawLegend(panel, svg, wide) {
      if (panel.series.length < 2 && !panel.marks) return;
      const words = panel.series.map(s => [s.name, s.colour]);
      const hidden = Object.values(panel.marks || {}).some(at => at.filter(([s]) => s >= this.from && s <= this.to).length > 250);
      if (hidden) words.push(["entries and exits appear when zoomed in", "quiet"]);
      let x = wide - RIGHT;
      for (const [word, colour] of words.reverse()) {
        const text = node("text", { x, y: 15, class: `legend ${colour}` }, svg);
        text.textContent = word;
        x -= text.getComputedTextLength() + 12;
        if (colour === "quiet") { x -= 6; continue; }
        node("line", { x1: x - 8, x2: x + 6, y1: 11, y2: 11, class: `line ${colour}` }, svg);
        x -= 22;
      }
    }
    hover(s) {
      this.at = s;
      for (const panel of this.panels) if (panel.cross) panel.cross.replaceChildren();
      this.tip.style.display = s === null ? "none" : "block";
      if (s === null) return;
      const leader = times[this.panels[0].series[0].t];
      let near = Math.min(leader.length - 1, place(leader, s));
      if (near > 0 && s - leader[near - 1] < leader[near] - s) near--;
      this.at = leader[near];
      this.tip.replaceChildren();
      element("b", moment(this.at, this.clock), this.tip);
      const rows = element("table", null, this.tip);
      for (const panel of this.panels) {
        if (!panel.y) continue;
        const x = this.x(this.at);
        node("line", { x1: x, x2: x, y1: TOP, y2: TOP + panel.height }, panel.cross);
        for (const series of panel.series) {
          const list = times[series.t], i = place(list, this.at + 1) - 1;
          const value = i >= 0 ? series.v[i] : null, row = element("tr", null, rows);
          element("td", series.name, row, series.colour);
          element("td", value === null ? "unknown" : formats[panel.format](value), row);
          if (value !== null) node("circle", { cx: x, cy: panel.y(value), r: 3.2, class: `dot ${series.colour}` }, panel.cross);
        }
      }
      const x = this.x(this.at), wide = this.tip.offsetWidth;
      this.tip.style.left = `${x + 16 + wide > this.width ? Math.max(0, x - 16 - wide) : x + 16}px`;
    }
    listen() {
      const host = this.host;
      let start = null, box = null;
      const spot = event => event.clientX - host.getBoundingClientRect().left;
      host.tabIndex = 0;
      host.addEventListener("pointermove", event => {
        const panel = event.target.closest && event.target.closest("svg.panel");
        if (!panel && start === null) return this.hover(null);
        const x = Math.min(this.width - RIGHT, Math.max(LEFT, spot(event)));
        this.tip.style.top = `${Math.max(30, event.clientY - host.getBoundingClientRect().top - 20)}px`;
        this.hover(this.time(x));
        if (start !== null && box) {
          box.style.left = `${Math.min(start, x)}px`;
          box.style.width = `${Math.abs(x - start)}px`;
        }
      });
      host.addEventListener("pointerleave", () => { if (start === null) this.hover(null); });
      host.addEventListener("pointerdown", event => {
        if (event.button !== 0 || !event.target.closest("svg.panel") || event.pointerType === "touch") return;
        start = Math.min(this.width - RIGHT, Math.max(LEFT, spot(event)));
        box = element("div", null, host, "box");
        box.style.left = `${start}px`;
        event.preventDefault();
      });
      window.addEventListener("pointerup", event => {
        if (start === null) return;
        const end = Math.min(this.width - RIGHT, Math.max(LEFT, spot(event))), from = start;
        start = null;
        box.remove();
        if (Math.abs(end - from) > 6) this.zoom(this.time(Math.min(from, end)), this.time(Math.max(from, end)));
      });
      host.addEventListener("dblclick", event => { if (event.target.closest("svg.panel")) this.zoom(...this.full); });
      host.addEventListener("keydown", event => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (event.key === "Escape") return this.zoom(...this.full);
        if (!step) return undefined;
        event.preventDefault();
        const leader = times[this.panels[0].series[0].t];
        const now = this.at === null || this.at === undefined ? place(leader, this.from) : place(leader, this.at) + step;
        this.tip.style.top = "40px";
        return this.hover(leader[Math.min(leader.length - 1, Math.max(0, now))]);
      });
    }
  }

  // A table that sorts by the column that is clicked and shows one page of its rows.
  class Rows {
    constructor(host, table, charts) {
      Object.assign(this, { host, table, charts, page: 0, size: 20, by: -1, up: true });
      this.order = table.rows.map((_, k) => k);
      const frame = element("div", null, host, "scroll"), grid = element("table", null, frame, "rows");
      const head = element("tr", null, element("thead", null, grid));
      this.heads = table.columns.map((column, k) => {
        const cell = element("th", null, head, column.kind === "text" ? "" : "right");
        const button = element("button", column.name, cell);
        button.onclick = () => this.sort(k);
        return cell;
      });
      this.body = element("tbody", null, grid);
      this.foot = element("div", null, host, "pages");
      this.show();
    }
    sort(k) {
      [this.up, this.by, this.page] = [this.by === k ? !this.up : this.table.columns[k].kind === "text", k, 0];
      const sign = this.up ? 1 : -1, rows = this.table.rows;
      const order = (a, b) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : a < b ? -sign : a > b ? sign : 0);
      this.order.sort((a, b) => order(rows[a][k], rows[b][k]) || a - b);
      this.heads.forEach((cell, n) => cell.setAttribute("aria-sort", n !== k ? "none" : this.up ? "ascending" : "descending"));
      this.show();
    }
    cell(row, value, column) {
      const text = value === null ? "unknown" : { money: v => formats.money(v / 100), percent: formats.percent, time: v => moment(v, column.clock),
        days: v => formats.index(v) }[column.kind]?.(value) ?? String(value);
      const signed = column.signed && value !== null && value !== 0 ? (value > 0 ? " gain" : " loss") : "";
      element("td", text, row, (column.kind === "text" ? "" : "right") + signed);
    }
    show() {
      const last = Math.max(0, Math.ceil(this.order.length / this.size) - 1);
      this.page = Math.min(last, Math.max(0, this.page));
      this.body.replaceChildren();
      for (const k of this.order.slice(this.page * this.size, (this.page + 1) * this.size)) {
        const row = element("tr", null, this.body), values = this.table.rows[k];
        values.forEach((value, n) => this.cell(row, value, this.table.columns[n]));
        if (this.charts) {
          const [from, to] = this.table.span.map(n => values[n]);
          row.title = "show this trade in the charts";
          row.onclick = () => {
            const room = Math.max(to - from, this.charts.clock ? 1800 : 20 * DAY);
            this.charts.zoom(from - room, to + room);
            this.charts.host.scrollIntoView({ behavior: "smooth", block: "start" });
          };
        }
      }
      this.foot.replaceChildren();
      const button = (word, page, off) => {
        const made = element("button", word, this.foot);
        made.disabled = off;
        made.onclick = () => { this.page = page; this.show(); };
      };
      if (last) button("Back", this.page - 1, this.page === 0);
      const first = this.page * this.size;
      element("span", `${first + 1} to ${Math.min(first + this.size, this.order.length)} of ${this.order.length.toLocaleString("en-US")}`, this.foot);
      if (last) button("Next", this.page + 1, this.page === last);
    }
  }

  const theme = document.getElementById("theme");
  if (theme) theme.onclick = () => {
    const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
  };
  const host = document.getElementById("charts");
  const charts = host && data.panels.length ? new Charts(host, data.panels) : null;
  const trades = document.getElementById("trades");
  if (trades && data.trades) new Rows(trades, data.trades, charts);
})();
