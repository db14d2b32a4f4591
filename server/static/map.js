// The map of the spots that stand in the page's table, by Leaflet, in place of the server's drawing.
import * as L from "/static/npm/leaflet/leaflet-src.esm.js";

const box = document.getElementById("map");
const rows = [...document.querySelectorAll("tr[data-latitude]")];
const SHAPES = {
  free: "<circle r='6'/>", paid: "<circle r='8'/>",
  unpaid: "<path d='M0-10 10 8H-10z'/>", sign: "<path d='M-8-8 8 8M8-8-8 8'/>",
  silent: "<path d='M-5-8H4V8H-5zM-8 10 7-10'/>",
  closed: "<path d='M-8-8H8V8H-8zM-8 0H8'/>",
};

/** A grid, where the regency has no tiles of its own: nobody else's server is asked. */
const Grid = L.GridLayer.extend({
  createTile() {
    const tile = document.createElement("div");
    tile.className = "grid-tile";
    return tile;
  },
});

/** A silent device stands beside its spot's mark, each further one beside that. */
function icon(standing, nth) {
  return L.divIcon({
    className: "place",
    iconSize: [24, 24],
    iconAnchor: nth === undefined ? [12, 12] : [-2 - 22 * Number(nth), 26],
    html: `<svg viewBox="-12 -12 24 24" width="24" height="24" aria-hidden="true"><g class="heard is-${standing}">${SHAPES[standing]}</g></svg>`,
  });
}

/** What the row says, as text: nothing of it is read as HTML. */
function told(row) {
  const list = document.createElement("div");
  for (const cell of row.cells) {
    const line = document.createElement("div");
    line.textContent = `${cell.dataset.label}: ${cell.textContent}`;
    list.append(line);
  }
  return list;
}

if (box && rows.length) {
  box.replaceChildren();
  box.classList.add("leaflet-map");
  const map = L.map(box, { attributionControl: false, zoomControl: false, fadeAnimation: false, maxZoom: 19 });
  L.control.zoom({ zoomInTitle: box.dataset.nearer, zoomOutTitle: box.dataset.farther }).addTo(map);
  const tiles = box.dataset.tiles ? L.tileLayer(box.dataset.tiles, { maxZoom: 19 }) : new Grid();
  tiles.addTo(map);
  for (const geometry of JSON.parse(box.dataset.outlines ?? "[]")) {
    L.geoJSON(geometry, { style: { className: "zone-outline" }, interactive: false }).addTo(map);
  }
  const places = rows.map((row) => {
    const name = `${row.cells[0].textContent}, ${row.cells[3].textContent}`;
    return L.marker([Number(row.dataset.latitude), Number(row.dataset.longitude)],
      { icon: icon(row.dataset.standing, row.dataset.nth), alt: name, title: name }).bindPopup(told(row));
  });
  const group = L.featureGroup(places).addTo(map);
  map.fitBounds(group.getBounds().pad(0.1));
  for (const place of places) place.getElement().setAttribute("aria-label", place.options.alt);
}
