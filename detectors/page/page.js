"use strict";
(() => {
  const root = document.documentElement;
  const palettes = JSON.parse(document.getElementById("palettes").textContent);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const MINUTE = 60000;
  const ALIVE = 6; // Plots that are kept drawn: fifty at once would make any browser slow.
  let chosen = null;
  let printing = false;

  const theme = () => (printing ? "light" : chosen || (system.matches ? "dark" : "light"));

  // -- figures: arrays come as base64 of their bytes, thresholds as runs, colours as names.
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const typed = (kind, text) => (kind === "i4" ? new Int32Array(bytes(text)) : new Float32Array(bytes(text)));
  function unpacked(one) {
    const values = typed(one.d, one.b);
    if (!one.r) return values;
    const starts = typed("i4", one.r);
    const out = new Float32Array(one.n);
    starts.forEach((from, i) => out.fill(values[i], from, i + 1 < starts.length ? starts[i + 1] : one.n));
    return out;
  }
  function filled(value, arrays, palette) {
    if (typeof value === "string") return palette[value] || value;
    if (Array.isArray(value)) return value.map((v) => filled(v, arrays, palette));
    if (value && typeof value === "object") {
      if ("$array" in value) return arrays[value.$array];
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v, arrays, palette)]));
    }
    return value;
  }

  const state = new Map(); // plot element -> what was read and how it is looked at
  const alive = [];

  function draw(plot) {
    const source = document.getElementById("figure-" + plot.dataset.figure);
    let own = state.get(plot);
    if (!own) {
      const packed = JSON.parse(source.textContent);
      own = { packed, arrays: packed.arrays.map(unpacked), range: null, log: false, drawn: false };
      state.set(plot, own);
    }
    const { data, layout } = filled(own.packed.figure, own.arrays, palettes[theme()]);
    for (const trace of data) trace.x = Array.from(trace.x, (tick) => tick * MINUTE);
    if (own.range) layout.xaxis.range = own.range.slice();
    if (own.log) layout.yaxis2.type = "log";
    plot.style.minHeight = layout.height + "px";
    Plotly.react(plot, data, layout, { responsive: true, displaylogo: false, displayModeBar: plot.classList.contains("small") ? false : "hover", modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] });
    if (!own.drawn) {
      plot.on("plotly_relayout", (change) => {
        if (!Object.keys(change).some((key) => key.startsWith("xaxis"))) return;
        own.range = plot.layout.xaxis.autorange ? null : plot.layout.xaxis.range.slice();
        if (change["xaxis.autorange"]) own.range = own.packed.figure.layout.xaxis.range.slice();
        if (change["xaxis.autorange"]) Plotly.relayout(plot, { "xaxis.range": own.range });
        else fit(plot);
      });
      plot.on("plotly_click", (event) => {
        const at = event.points.find((p) => p.data.name === "incidents");
        if (at) read(at.customdata);
      });
      own.drawn = true;
    }
    fit(plot);
    alive.splice(0, alive.length, ...alive.filter((p) => p !== plot), plot);
    if (!printing && alive.length > ALIVE) {
      const old = alive.shift();
      Plotly.purge(old);
      state.get(old).drawn = false;
      seen.unobserve(old);
      seen.observe(old);
    }
  }

  // Let each panel's height show what is in sight: after a zoom, a calm week is not a flat line under a crisis' scale.
  const at = (value) => (typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T") + (String(value).length > 10 ? "Z" : "T00:00Z")));
  function fit(plot) {
    const [low, high] = plot.layout.xaxis.range.map(at);
    const extent = {};
    for (const trace of plot.data) {
      const axis = trace.yaxis || "y";
      if (axis === "y") continue;
      const mine = (extent[axis] = extent[axis] || [Infinity, -Infinity]);
      for (let i = 0; i < trace.x.length; i++) {
        const y = trace.y[i];
        if (trace.x[i] < low || trace.x[i] > high || !(y === y)) continue;
        if (y < mine[0]) mine[0] = y;
        if (y > mine[1]) mine[1] = y;
      }
    }
    const change = {};
    for (const [axis, [least, most]] of Object.entries(extent)) {
      if (!(most >= least)) continue;
      const name = "yaxis" + axis.slice(1);
      const zero = plot.layout[name].rangemode === "tozero";
      const room = Math.max((most - least) * 0.07, 1e-3);
      if (plot.layout[name].type === "log") change[name + ".range"] = [Math.log10(0.8), Math.log10(Math.max(most, 1) * 1.2)];
      else change[name + ".range"] = [zero ? 0 : least - room, most + room];
    }
    if (Object.keys(change).length) Plotly.relayout(plot, change);
  }

  const seen = new IntersectionObserver(
    (entries) => entries.forEach((e) => { if (e.isIntersecting && !(state.get(e.target) || {}).drawn) draw(e.target); }),
    { rootMargin: "400px" },
  );
  document.querySelectorAll(".plot").forEach((plot) => seen.observe(plot));

  // -- links between tables and plots
  function unfold(element) {
    for (let up = element; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  }
  function read(id) {
    const incident = document.getElementById("i-" + id);
    if (!incident) return;
    unfold(incident);
    document.querySelectorAll(".lit").forEach((one) => one.classList.remove("lit"));
    incident.classList.add("lit");
    incident.scrollIntoView({ behavior: "smooth", block: "center" });
  }
  function show(brand, from, to) {
    const section = [...document.querySelectorAll("details.brand")].find((one) => one.dataset.name === brand);
    const plot = section && section.querySelector(".plot");
    if (!plot) return;
    section.open = true;
    const room = Math.min(Math.max((to - from) * 0.5, 360), 2880);
    // The course of a day can be seen; of a long incident its beginning is what matters.
    const range = [(from - room) * MINUTE, (Math.min(to, from + 4320) + room) * MINUTE];
    if (!(state.get(plot) || {}).drawn) draw(plot);
    state.get(plot).range = range;
    Plotly.relayout(plot, { "xaxis.range": range.map((t) => new Date(t).toISOString().slice(0, 16).replace("T", " ")) });
    section.querySelector(".tools").scrollIntoView({ behavior: "smooth", block: "start" });
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, th");
    if (!button) return;
    if (button.matches("button.go")) {
      event.preventDefault();
      show(button.dataset.brand, Number(button.dataset.from), Number(button.dataset.to));
    } else if (button.dataset.act === "whole") {
      const plot = button.closest("details").querySelector(".plot");
      if (state.has(plot)) Plotly.relayout(plot, { "xaxis.range": state.get(plot).packed.figure.layout.xaxis.range.slice() });
    } else if (button.id === "theme") {
      chosen = theme() === "dark" ? "light" : "dark";
      paint();
    } else if (button.matches("table.sortable th")) sort(button);
  });
  document.addEventListener("change", (event) => {
    if (event.target.dataset.act !== "log") return;
    const plot = event.target.closest("details").querySelector(".plot");
    if (!state.has(plot)) draw(plot);
    state.get(plot).log = event.target.checked;
    draw(plot);
  });
  function sort(head) {
    const table = head.closest("table");
    const column = [...head.parentElement.children].indexOf(head);
    const up = head.getAttribute("aria-sort") === "descending";
    [...head.parentElement.children].forEach((one) => one.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const cell = row.children[column];
      const text = cell ? cell.dataset.sort || cell.textContent.trim() : "";
      return text !== "" && !isNaN(text) ? Number(text) : text;
    };
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows);
  }
  function follow() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    unfold(target);
    target.scrollIntoView();
  }

  // -- light, dark, paper
  function paint() {
    root.dataset.theme = theme();
    for (const [plot, own] of state) if (own.drawn) draw(plot);
  }
  system.addEventListener("change", paint);
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => {
    printing = true;
    paint();
    document.querySelectorAll("section .plot, details.brand[open] .plot").forEach(draw);
  });
  addEventListener("afterprint", () => { printing = false; paint(); });
  if (/[?&]dark/.test(location.search)) chosen = "dark";
  paint();
  follow();
})();
