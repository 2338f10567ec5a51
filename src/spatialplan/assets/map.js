/* Drawing, labels, layer panel and synchronised maps. Text of the data is only ever set as
   textContent, never parsed as HTML. */
(function () {
  "use strict";
  const boards = [];
  const SIDES = [[1, 0], [-1, 0], [1, -1], [1, 1], [-1, -1], [-1, 1], [0, -1], [0, 1]];

  /* Classes of labels that may say what another label says already. */
  const REPEATED = new Set(["ref", "minutes", "county"]);

  /* Whole numbers of the lines in bundles, five bits to a digit: see spatialplan.bundles. */
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const VALUE = new Uint8Array(128);
  for (let i = 0; i < 64; i++) VALUE[DIGITS.charCodeAt(i)] = i;
  const QUANTUM = 1e-5;

  /* Give each point of a bundle to `visit(lat, lon, first)`. */
  function decode(text, visit) {
    let at = 0, x = 0, y = 0;
    const number = () => {
      let value = 0, shift = 0, digit;
      do {
        digit = VALUE[text.charCodeAt(at++)];
        value |= (digit & 31) << shift;
        shift += 5;
      } while (digit & 32);
      return value;
    };
    const step = () => {
      const value = number();
      return (value >>> 1) ^ -(value & 1);
    };
    while (at < text.length) {
      for (let count = number(), i = 0; i < count; i++) {
        x += step();
        y += step();
        visit(y * QUANTUM, x * QUANTUM, i === 0);
      }
    }
  }

  function linesOf(text) {
    const lines = [];
    decode(text, (lat, lon, first) => {
      if (first) lines.push([]);
      lines[lines.length - 1].push([lat, lon]);
    });
    return lines;
  }

  function boundsOf(text) {
    let south = 90, west = 180, north = -90, east = -180;
    decode(text, (lat, lon) => {
      south = Math.min(south, lat);
      north = Math.max(north, lat);
      west = Math.min(west, lon);
      east = Math.max(east, lon);
    });
    return L.latLngBounds([[south, west], [north, east]]);
  }

  function element(tag, cls, text) {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  /* A tooltip: a heading, then rows of a name and a value. */
  function tooltip(lines) {
    const box = element("div", "sp-tip");
    box.appendChild(element("b", "", lines[0]));
    const table = box.appendChild(element("table"));
    for (const [name, value] of lines.slice(1)) {
      const row = table.appendChild(element("tr"));
      row.appendChild(element("th", "", name));
      row.appendChild(element("td", name.endsWith("in English") ? "sp-en" : "", value));
    }
    return box;
  }

  /* A frame below the fold may have no size yet when its page starts. */
  function fitWhenSized(map, options) {
    const box = map.getContainer();
    const sized = () => Math.min(box.clientWidth, box.clientHeight) > 4 * options.padding;
    const fit = () => map.fitBounds(options.bounds, {padding: [options.padding, options.padding]});
    if (sized()) return fit();
    const watch = new ResizeObserver(() => {
      if (!sized()) return;
      watch.disconnect();
      map.invalidateSize({animate: false, pan: false});
      fit();
    });
    watch.observe(box);
  }

  /* One map of the page with its layers, their order, and its labels. */
  function Board(map, options) {
    this.map = map;
    this.groups = {};
    this.pieces = [];
    this.labels = [];
    this.bundles = [];
    map.options.renderer = L.canvas({tolerance: 4, padding: 0.4});
    if (map.attributionControl) map.attributionControl.setPrefix(false);
    if (options.credit) {
      // Leaflet takes HTML here; the credit is text of the data.
      map.attributionControl.addAttribution(element("i", "", options.credit).innerHTML);
    }
    L.control.scale({imperial: false, position: "bottomleft"}).addTo(map);
    const north = L.control({position: "bottomleft"});
    north.onAdd = () => element("div", "sp-north", "北 N");
    north.addTo(map);
    fitWhenSized(map, options);
    this.pane = map.createPane("spLabels");
    this.pane.classList.add("leaflet-zoom-hide");
    this.placeSoon = L.Util.throttle(this.place, 60, this);
    map.on("zoomend moveend resize viewreset", this.placeSoon);
  }

  Board.prototype.add = function (key, group, data) {
    this.groups[key] = group;
    for (const item of data.items) {
      const style = data.styles[item.s];
      const layer = L.geoJSON(item.g, {
        style: style,
        interactive: Boolean(item.t),
        pointToLayer: (_, place) => L.circleMarker(place, style),
      });
      if (item.t) {
        layer.bindTooltip(() => tooltip(item.t), {sticky: true, className: "sp-tooltip"});
      }
      group.addLayer(layer);
      this.pieces.push({z: data.z + (style.above || 0), layer: layer, group: group});
    }
    for (const label of data.labels) this.labels.push(this.prepare(label, group));
    for (const row of data.bundles || []) {
      const common = {key: key, group: group, text: row.l, from: row.f, band: row.b};
      const style = data.styles[row.s], tip = data.tips[row.t];
      const bounds = boundsOf(row.l), z = data.z + (style.above || 0);
      const bundle = {...common, style: style, tip: tip, bounds: bounds, z: z};
      if (row.c !== undefined) {
        const casing = data.styles[row.c];
        this.bundles.push({...bundle, style: casing, tip: null, z: data.z + (casing.above || 0)});
      }
      this.bundles.push(bundle);
    }
    if (data.of) this.borrow(key, group, data);
  };

  /* Show what another layer has in bundles, where it is reached, in the style of its band. */
  Board.prototype.borrow = function (key, group, data) {
    this.borrowed = () => {
      const reached = this.bundles.filter(
        (bundle) => bundle.key === data.of && bundle.band !== undefined && bundle.tip);
      for (const bundle of reached) {
        const style = {...data.styles[bundle.band]};
        style.weight += bundle.style.weight;
        this.bundles.push({...bundle, key: key, group: group, style: style, tip: null, z: data.z});
      }
    };
  };

  /* Bundles are on the map only where and when they can be seen: thousands of lines wait. */
  Board.prototype.refresh = function () {
    if (!this.bundles.length) return;
    const zoom = this.map.getZoom(), view = this.map.getBounds().pad(0.3);
    let added = false;
    for (const bundle of this.bundles) {
      const wanted = this.map.hasLayer(bundle.group) && zoom >= bundle.from &&
        view.intersects(bundle.bounds);
      if (wanted === Boolean(bundle.on)) continue;
      bundle.on = wanted;
      if (!wanted) {
        bundle.group.removeLayer(bundle.layer);
        continue;
      }
      added = true;
      bundle.layer = bundle.layer || this.draw(bundle);
      bundle.group.addLayer(bundle.layer);
    }
    if (added) this.restack();
    this.tellZoom(zoom);
  };

  Board.prototype.draw = function (bundle) {
    const layer = L.polyline(linesOf(bundle.text),
      {...bundle.style, interactive: Boolean(bundle.tip)});
    if (bundle.tip) {
      layer.bindTooltip(() => tooltip(bundle.tip), {sticky: true, className: "sp-tooltip"});
    }
    this.pieces.push({z: bundle.z, layer: layer, group: bundle.group});
    return layer;
  };

  /* The zoom is told where the legend speaks of it, and what waits for a nearer view is pale. */
  Board.prototype.tellZoom = function (zoom) {
    if (!this.zoomBox) {
      const control = L.control({position: "bottomleft"});
      this.zoomBox = element("div", "sp-zoom");
      control.onAdd = () => this.zoomBox;
      control.addTo(this.map);
    }
    this.zoomBox.textContent = "缩放 zoom " + zoom;
    for (const key of document.querySelectorAll(".sp-key[data-from]")) {
      key.classList.toggle("sp-later", zoom < Number(key.dataset.from));
    }
  };

  Board.prototype.prepare = function (label, group) {
    const node = element("div", "sp-label sp-" + label.c, label.t);
    if (label.e) node.appendChild(element("small", "", label.e));
    if (label.k) node.style.setProperty("--ink", label.k);
    this.pane.appendChild(node);
    return {...label, node: node, group: group};
  };

  /* A layer that is switched on again would lie on top: put all back into their order. */
  Board.prototype.restack = function () {
    this.pieces.sort((a, b) => a.z - b.z);
    for (const piece of this.pieces) {
      if (this.map.hasLayer(piece.group)) piece.layer.bringToFront();
    }
  };

  Board.prototype.show = function (key, on) {
    const group = this.groups[key];
    if (!group || this.map.hasLayer(group) === on) return;
    if (on) this.map.addLayer(group);
    else this.map.removeLayer(group);
    if (on) this.restack();
    this.refresh();
    this.place();
  };

  Board.prototype.start = function () {
    this.labels.sort((a, b) => b.p - a.p);
    for (const label of this.labels) {
      label.width = label.node.offsetWidth;
      label.height = label.node.offsetHeight;
    }
    if (this.borrowed) this.borrowed();
    this.map.on("zoomend moveend resize", this.refresh, this);
    this.refresh();
    this.restack();
    this.place();
  };

  function boxesOf(x, y, width, height, angle) {
    if (!angle) return [[x - width / 2, y - height / 2, x + width / 2, y + height / 2]];
    const turn = angle * Math.PI / 180, count = Math.max(1, Math.round(width / height));
    const boxes = [];
    for (let i = 0; i < count; i++) {
      const along = ((i + 0.5) / count - 0.5) * width;
      const cx = x + along * Math.cos(turn), cy = y + along * Math.sin(turn);
      boxes.push([cx - height / 2, cy - height / 2, cx + height / 2, cy + height / 2]);
    }
    return boxes;
  }

  const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

  /* Positions that a label may take: around its point, or at the places given with it. */
  Board.prototype.positions = function (label) {
    const found = [];
    for (const [lat, lon, angle] of label.x) {
      const at = this.map.latLngToLayerPoint([lat, lon]);
      if (label.o === undefined) {
        found.push([at.x, at.y, angle || 0]);
        continue;
      }
      for (const [right, down] of SIDES) {
        const slant = right && down ? 0.75 : 1;
        found.push([
          at.x + right * (label.o * slant + label.width / 2),
          at.y + down * (label.o * slant + label.height / 2) * (right ? 0.8 : 1), 0,
        ]);
      }
    }
    return found;
  };

  /* Greedy by priority: a label that fits nowhere waits for a nearer view. */
  Board.prototype.place = function () {
    const zoom = this.map.getZoom(), taken = [];
    const shown = this.labels.filter((label) =>
      this.map.hasLayer(label.group) && zoom >= label.z[0] && zoom < label.z[1]);
    for (const label of this.labels) label.node.style.visibility = "hidden";
    for (const label of shown) {
      if (!label.dot) continue;
      const at = this.map.latLngToLayerPoint(label.x[0]);
      taken.push([at.x - label.dot, at.y - label.dot, at.x + label.dot, at.y + label.dot]);
    }
    const said = new Set();
    for (const label of shown) {
      if (!REPEATED.has(label.c) && said.has(label.t)) continue;
      for (const [x, y, angle] of this.positions(label)) {
        const boxes = boxesOf(x, y, label.width, label.height, angle);
        if (boxes.some((box) => taken.some((other) => meet(box, other)))) continue;
        taken.push(...boxes);
        said.add(label.t);
        const left = Math.round(x - label.width / 2), top = Math.round(y - label.height / 2);
        label.node.style.transform = `translate(${left}px,${top}px) rotate(${angle}deg)`;
        label.node.style.visibility = "visible";
        break;
      }
    }
  };

  function synchronise(a, b) {
    let busy = false;
    const follow = (from, to) => from.on("move zoomend", () => {
      if (busy) return;
      busy = true;
      to.setView(from.getCenter(), from.getZoom(), {animate: false});
      busy = false;
    });
    follow(a, b);
    follow(b, a);
  }

  function panel() {
    for (const box of document.querySelectorAll("input[data-layer]")) {
      const obey = () => boards.forEach((board) => board.show(box.dataset.layer, box.checked));
      box.addEventListener("change", obey);
      obey();  // the maps of a comparison may open with different layers
    }
    const fold = document.querySelector(".sp-fold");
    const refit = () => boards.forEach((board) => board.map.invalidateSize());
    fold.addEventListener("click", () => {
      const folded = document.body.classList.toggle("sp-folded");
      fold.setAttribute("aria-expanded", String(!folded));
      refit();
    });
    if (window.innerWidth > 0 && window.innerWidth < 760) fold.click();
    window.addEventListener("beforeprint", refit);
  }

  window.spatialplan = {
    boards: boards,
    board: function (map, options) {
      const made = new Board(map, options);
      boards.push(made);
      return made;
    },
    start: function () {
      for (const board of boards) board.start();
      for (let i = 1; i < boards.length; i++) synchronise(boards[0].map, boards[i].map);
      panel();
    },
  };
})();
