// Elements made without markup: whatever comes from the server becomes text, or an attribute's value, never HTML.

function there(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// One element. `attributes`: null and false are left out, true has no value, a function is a listener of that event.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...there(children));
  return element;
}

// Puts `children` in place of what `parent` holds.
export function fill(parent, ...children) {
  parent.replaceChildren(...there(children));
}

// Says something to everybody, screen readers too, for as long as it is news.
export function notice(text) {
  const place = document.getElementById("notice");
  place.textContent = text;
  clearTimeout(place.fading);
  place.fading = setTimeout(() => { place.textContent = ""; }, 15000);
}

// Goes to an address of the dashboard; asks anew when it is there already.
export function go(to) {
  if (location.hash === to) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = to;
}

// Keeps the children of `parent` the same as `items`. One that did not change stays as it is: what was opened in
// it stays open, and the keyboard's focus where it was. `make(item)` gives its element, `key(item)` tells it.
export function keep(parent, items, make, key = (item) => item.id) {
  const before = parent.known ?? new Map();
  const known = new Map();
  const children = items.map((item) => {
    const said = JSON.stringify(item);
    const old = before.get(key(item));
    const now = old?.said === said ? old : { said, element: make(item) };
    known.set(key(item), now);
    return now.element;
  });
  parent.known = known;
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}
