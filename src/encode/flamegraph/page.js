// Draws the profile in #data: a flame graph that can be searched and zoomed, the operations, the log. All names are text.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [PARENT, FRAME, CPU, WAITED, BEFORE] = [0, 1, 2, 3, 4]; // from BEFORE on: CPU and WAITED of what it is compared with
  const KINDS = ["app", "library", "unknown", "waiting"];
  const ROW = 20, THINNEST = 0.6, HEAVIEST = 12;
  const $ = id => document.getElementById(id);
  const nodes = data.nodes, frames = data.frames, ROOT = nodes.length;
  const against = data.against || null;
  const state = { view: data.kind, width: "now", zoom: ROOT, search: "" };
  let totals = [], selves = [], children = []; // of the widths
  let now = {}, before = {}; // the same of both, where two are compared

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const time = ns => ns >= 1e9 ? `${(ns / 1e9).toFixed(2)} s` : ns >= 1e6 ? `${(ns / 1e6).toFixed(ns >= 1e8 ? 0 : 2)} ms`
    : ns >= 1e3 ? `${(ns / 1e3).toFixed(0)} µs` : `${ns} ns`;
  const bytes = n => n >= 1 << 20 ? `${(n / (1 << 20)).toFixed(1)} MiB` : n >= 1 << 10 ? `${(n / (1 << 10)).toFixed(1)} KiB` : `${n} B`;
  const heap = data.kind === "heap"; // its numbers are bytes in use, in place of time
  const amount = heap ? bytes : time;
  const percent = (part, whole) => whole > 0 ? `${(100 * part / whole).toFixed(1)} %` : "0 %";

  // ---- the tree, in one of the two views

  const parentOf = node => nodes[node][PARENT] < 0 ? ROOT : nodes[node][PARENT];
  const frameOf = node => node === ROOT ? ["", "all", ""] : frames[nodes[node][FRAME]];

  function sumsOf(cpu, waited) {
    const own = nodes.map(n => n[cpu] + (state.view === "wall" ? n[waited] : 0)), all = own.concat(0);
    for (let i = ROOT - 1; i >= 0; i--) all[parentOf(i)] += all[i]; // children come behind their parents
    return { selves: own, totals: all };
  }

  function addUp() {
    now = sumsOf(CPU, WAITED);
    before = against ? sumsOf(BEFORE, BEFORE + 1) : now;
    ({ selves, totals } = state.width === "now" ? now : before);
    children = Array.from({ length: ROOT + 1 }, () => []);
    for (let i = ROOT - 1; i >= 0; i--) {
      if (totals[i] > 0) children[parentOf(i)].push(i);
    }
    children.forEach(list => list.sort((a, b) => totals[b] - totals[a]));
  }

  // ---- two times compared: by shares, as they may have lasted unlike long, and been busy unlike much

  const share = (part, whole) => whole > 0 ? part / whole : 0;

  // -1 (gone) to 1 (new); 0.5 is twice as much.
  const changeOf = (is, was) => Math.max(is, was) > 0 ? (is - was) / Math.max(is, was) : 0;

  function changed(is, was) {
    if (is === was) return "";
    return was === 0 ? "new" : is === 0 ? "gone" : `${is < was ? "−" : "+"}${(100 * Math.abs(is / was - 1)).toFixed(0)} %`;
  }

  const sharesOf = node => [share(now.totals[node], now.totals[ROOT]), share(before.totals[node], before.totals[ROOT])];

  // Red is more and blue is less, as in Brendan Gregg's differential flame graphs; there, by a function's own samples, here by all
  // that is in it.
  function paint(made, node) {
    const change = changeOf(...sharesOf(node)), strength = Math.abs(change);
    made.style.background = strength < 0.02 ? "" : `hsl(${change > 0 ? 8 : 212} ${40 + 50 * strength}% ${90 - 28 * strength}%)`;
    made.dataset.change = change.toFixed(2);
  }

  const matches = node => node !== ROOT && state.search !== "" && frameOf(node)[1].toLowerCase().includes(state.search);

  // Time in functions that match, one inside of another counted once.
  function matchedTime() {
    let found = 0;
    const left = [ROOT];
    while (left.length > 0) {
      const node = left.pop();
      if (matches(node)) found += totals[node];
      else left.push(...children[node]);
    }
    return found;
  }

  function describe(node) {
    const [, name, where] = frameOf(node);
    const self = node === ROOT ? 0 : selves[node];
    if (against) {
      const [is, was] = sharesOf(node);
      return [name + (where ? `  (${where})` : ""), `${percent(is, 1)} of the time now (${amount(now.totals[node])}), ` +
        `${percent(was, 1)} before (${amount(before.totals[node])})${changed(is, was) && `: ${changed(is, was)}`}`];
    }
    return [name + (where ? `  (${where})` : ""),
      `${amount(totals[node])}, ${percent(totals[node], totals[ROOT])} of all` +
      (state.zoom === ROOT ? "" : `, ${percent(totals[node], totals[state.zoom])} of ${frameOf(state.zoom)[1]}`) +
      `; ${amount(self)} in itself`];
  }

  // ---- drawing

  function bar(node, depth, left, width, above) {
    const pixels = width * $("graph").clientWidth;
    const made = element("div", pixels > 24 ? frameOf(node)[1] : "", `frame ${against ? "same" : KINDS[frameOf(node)[0]] || "unknown"}`);
    if (against && node !== ROOT && !matches(node)) paint(made, node);
    made.style.left = `${100 * left}%`;
    made.style.width = `${100 * width}%`;
    made.style.top = `${depth * ROW}px`;
    made.classList.toggle("thin", pixels <= 24);
    made.classList.toggle("above", above);
    made.classList.toggle("found", matches(node));
    made.dataset.node = node;
    made.tabIndex = 0;
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", depth + 1);
    made.setAttribute("aria-label", describe(node).join(": "));
    return made;
  }

  function draw() {
    const graph = $("graph"), bars = [], path = [];
    for (let node = state.zoom; node !== ROOT; node = parentOf(node)) path.unshift(parentOf(node));
    path.forEach((node, depth) => bars.push(bar(node, depth, 0, 1, true)));
    let deepest = path.length;
    const left = [[state.zoom, path.length, 0, 1]];
    while (left.length > 0 && totals[state.zoom] > 0) {
      const [node, depth, from, width] = left.pop();
      bars.push(bar(node, depth, from, width, false));
      deepest = Math.max(deepest, depth);
      let at = from;
      for (const child of children[node]) {
        const share = totals[child] / totals[node] * width;
        if (share * graph.clientWidth < THINNEST) break; // the rest is thinner still
        left.push([child, depth + 1, at, share]);
        at += share;
      }
    }
    graph.replaceChildren(...bars);
    graph.style.height = `${(deepest + 1) * ROW}px`;
    graph.classList.toggle("searching", state.search !== "");
    $("matched").textContent = state.search === "" ? "" : `${percent(matchedTime(), totals[ROOT])} matched`;
    $("reset").disabled = state.zoom === ROOT;
    $("wall").setAttribute("aria-pressed", state.view === "wall");
    $("cpu").setAttribute("aria-pressed", state.view === "cpu");
    $("now").setAttribute("aria-pressed", state.width === "now");
    $("before").setAttribute("aria-pressed", state.width === "before");
    $("detail").textContent = totals[ROOT] > 0 ? describe(state.zoom).join(": ")
      : heap ? "Nothing that was sampled is in use." : "Nothing was sampled: no CPU time was used" + (state.view === "wall" ? " and nothing waited." : ".");
  }

  function drawHeaviest() {
    const self = new Map(), total = new Map();
    const walk = [[ROOT, new Set()]];
    while (walk.length > 0) {
      const [node, open] = walk.pop();
      let inside = open;
      if (node !== ROOT) {
        const frame = nodes[node][FRAME];
        self.set(frame, (self.get(frame) || 0) + selves[node]);
        if (!open.has(frame)) { // a recursion counts once
          total.set(frame, (total.get(frame) || 0) + totals[node]);
          inside = new Set(open).add(frame);
        }
      }
      for (const child of children[node]) walk.push([child, inside]);
    }
    const rows = [...self].filter(([, ns]) => ns > 0).sort((a, b) => b[1] - a[1]).slice(0, HEAVIEST).map(([frame, ns]) => {
      const row = element("tr"), name = element("td", `${frames[frame][1]} `);
      name.append(element("small", frames[frame][2]));
      row.append(name, element("td", `${amount(ns)}  ${percent(ns, totals[ROOT])}`),
        element("td", `${amount(total.get(frame))}  ${percent(total.get(frame), totals[ROOT])}`));
      return row;
    });
    $("heaviest").querySelector("tbody").replaceChildren(...rows);
    $("heaviest").hidden = rows.length === 0;
  }

  // What a function's own time has changed by, most first.
  function drawChanged() {
    const sums = new Map();
    nodes.forEach((node, i) => {
      const sum = sums.get(node[FRAME]) || [0, 0];
      sums.set(node[FRAME], [sum[0] + now.selves[i], sum[1] + before.selves[i]]);
    });
    const shares = [...sums].map(([frame, [is, was]]) => [frame, share(is, now.totals[ROOT]), share(was, before.totals[ROOT])]);
    const rows = shares.filter(([, is, was]) => is !== was).sort((a, b) => Math.abs(b[1] - b[2]) - Math.abs(a[1] - a[2])).slice(0, HEAVIEST);
    $("heaviest").querySelector("tbody").replaceChildren(...rows.map(([frame, is, was]) => {
      const row = element("tr"), name = element("td", `${frames[frame][1]} `);
      name.append(element("small", frames[frame][2]));
      row.append(name, element("td", percent(was, 1)), element("td", percent(is, 1)), element("td", changed(is, was)));
      return row;
    }));
    $("heaviest").hidden = rows.length === 0;
  }

  function show(change) {
    Object.assign(state, change);
    if ("view" in change || "width" in change) {
      addUp();
      if (totals[state.zoom] === 0) state.zoom = ROOT;
      (against ? drawChanged : drawHeaviest)();
    }
    $("tip").hidden = true;
    draw();
  }

  // ---- what stands still

  function drawFacts() {
    const facts = heap ? [["In use", bytes(data.cpu_ns)], ["Places", String(data.samples)], ["One sample in", bytes(data.period_bytes)],
      ["Taken", new Date(data.start_ns / 1e6).toISOString()]] : [["Samples", `${data.samples} at ${data.rate_hz} Hz`], ["Lasted", time(data.duration_ns)],
      ["CPU time", time(data.cpu_ns)], ["Waited", time(data.waited_ns)],
      ["Threads", data.threads === 0 ? "" : String(data.threads)],
      ["Overhead", data.duration_ns > 0 ? `${time(data.overhead_ns)} (${percent(data.overhead_ns, data.duration_ns)})` : ""],
      ["Status", data.status > 0 ? String(data.status) : ""],
      [against ? "Now" : "Began", new Date(data.start_ns / 1e6).toISOString()],
      ["Before", against ? `${new Date(against.start_ns / 1e6).toISOString()}, ${against.samples} samples, CPU time ${time(against.cpu_ns)}` : ""],
      ["Correlation id", data.correlation_id], ["Trace", data.trace_id]];
    document.title = `${data.title}: profile`;
    $("title").textContent = data.title;
    for (const [name, value] of facts.filter(f => f[1])) {
      const pair = element("div");
      pair.append(element("dt", name), element("dd", value));
      $("facts").append(pair);
    }
    $("notes").textContent = (data.kind === "cpu" ? "CPU time alone was profiled. " : "") + (data.note ? `${data.note} ` : "") +
      (data.truncated ? "It ended at its limit of time, before what it profiles did. " : "") +
      (data.lost > 0 && !heap ? `${data.lost} samples found no room. ` : "") + (data.left_out > 0 ? `${data.left_out} samples found no room in the graph. ` : "");
    if (against && against.samples === 0) $("notes").textContent += "There is nothing to compare with: of the time before, no samples are kept. ";
    $("views").hidden = data.kind !== "wall";
    $("widths").hidden = !against;
    document.querySelectorAll(".legend").forEach(legend => { legend.hidden = legend.classList.contains("change") !== (against !== null); });
    if (against) {
      $("heaviest").querySelector("h2").textContent = "Most changed in itself";
      $("heaviest").querySelector("thead tr").replaceChildren(...["Function", "Before", "Now", "Change"].map(name => element("th", name)));
    }
    if (heap) $("heaviest").querySelector("h2").textContent = "Most memory by itself";
  }

  function drawSpans() {
    const depth = [];
    data.spans.forEach(([name, start, end, parent], i) => {
      depth[i] = parent >= 0 && parent < i ? depth[parent] + 1 : 0;
      const row = element("div", undefined, "span"), label = element("span", name), lane = element("div", undefined, "lane"), b = element("b");
      label.style.paddingLeft = `${depth[i] * 14}px`;
      label.title = name;
      b.style.left = `${100 * Math.min(1, start / Math.max(1, data.duration_ns))}%`;
      b.style.width = `${100 * Math.min(1, (end - start) / Math.max(1, data.duration_ns))}%`;
      lane.append(b);
      row.append(label, lane, element("span", time(end - start)));
      $("spans").querySelector("div").append(row);
    });
    $("spans").hidden = data.spans.length === 0;
  }

  function drawLines() {
    for (const [ns, level, text] of data.lines) {
      const row = element("tr");
      row.append(element("td", `${ns < 0 ? "-" : "+"}${time(Math.abs(ns))}`, "time"),
        element("td", level, level === "error" || level === "warn" ? "bad" : ""), element("td", text));
      $("lines").querySelector("tbody").append(row);
    }
    $("lines").hidden = data.lines.length === 0;
  }

  // ---- what moves

  const nodeOf = event => {
    const hit = event.target.closest(".frame");
    return hit ? Number(hit.dataset.node) : null;
  };

  function tip(event) {
    const node = nodeOf(event), box = $("tip");
    box.hidden = node === null;
    if (node !== null) {
      box.textContent = describe(node).join("\n");
      box.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8))}px`;
      box.style.top = `${event.clientY + 18 + box.offsetHeight > innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
    }
  }

  $("graph").addEventListener("click", event => nodeOf(event) !== null && show({ zoom: nodeOf(event) }));
  $("graph").addEventListener("keydown", event => event.key === "Enter" && nodeOf(event) !== null && show({ zoom: nodeOf(event) }));
  $("graph").addEventListener("mousemove", tip);
  $("graph").addEventListener("mouseleave", () => { $("tip").hidden = true; });
  $("wall").addEventListener("click", () => show({ view: "wall" }));
  $("cpu").addEventListener("click", () => show({ view: "cpu" }));
  $("now").addEventListener("click", () => show({ width: "now" }));
  $("before").addEventListener("click", () => show({ width: "before" }));
  $("reset").addEventListener("click", () => show({ zoom: ROOT }));
  $("search").addEventListener("input", () => show({ search: $("search").value.trim().toLowerCase() }));
  document.addEventListener("keydown", event => event.key === "Escape" && show({ zoom: ROOT }));
  addEventListener("resize", draw);

  drawFacts();
  drawSpans();
  drawLines();
  show({ view: data.kind });
})();
