// Small line charts and bars as SVG: no library, nothing loaded from elsewhere.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 110;
const LEFT = 40;
const BOTTOM = 16;

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The smallest of 1, 2, 5, 10, 20, 50 ... that is not below the value.
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

// A line broken where there is no value; a lone value is a short stroke.
function path(values, x, y) {
  let text = "";
  values.forEach((value, index) => {
    if (value === null) return;
    const start = index === 0 || values[index - 1] === null;
    const alone = start && (values[index + 1] ?? null) === null;
    text += `${start ? "M" : "L"}${(x(index) - (alone ? 1.5 : 0)).toFixed(1)} ${y(value).toFixed(1)}${alone ? "h3" : ""}`;
  });
  return text;
}

// series: [{name, values}], all of one length, oldest first; format: value -> text with its unit.
export function chart(title, series, format, minutes) {
  const highest = Math.max(0, ...series.flatMap(({ values }) => values.filter((value) => value !== null)));
  const top = ceiling(highest);
  const count = series[0].values.length;
  const x = (index) => LEFT + ((index + 0.5) / count) * (WIDTH - LEFT);
  const y = (value) => 6 + (1 - value / top) * (HEIGHT - BOTTOM - 6);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (const value of [0, top / 2, top]) {
    drawing.append(
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" }, value ? format(value) : "0"),
    );
  }
  drawing.append(
    svg("text", { x: LEFT, y: HEIGHT - 2 }, `${minutes} min ago`),
    svg("text", { x: WIDTH, y: HEIGHT - 2, "text-anchor": "end" }, "now"),
  );
  const latest = series.map(({ name, values }, index) => {
    drawing.append(svg("path", { class: `line c${index}`, d: path(values, x, y) }));
    const last = values.findLast((value) => value !== null) ?? null;
    return last === null ? "" : `${series.length > 1 ? `${name} ` : ""}${format(last)}`;
  });
  const words = latest.filter(Boolean).join(", ") || "nothing yet";
  drawing.setAttribute("aria-label", `${title}: ${words}`);
  const figure = html("figure", {}, html("figcaption", {}, title, html("span", {}, series.length > 1 ? "" : words)), drawing);
  if (series.length > 1) {
    const key = html("ul", { class: "key" });
    series.forEach((line, index) => {
      const sample = svg("svg", { viewBox: "0 0 28 8" }, svg("path", { class: `line c${index}`, d: "M0 4H28" }));
      key.append(html("li", {}, sample, latest[index] || line.name));
    });
    figure.append(key);
  }
  return figure;
}

// A share from 0 to 1 on a scale that ends at `top`, with its interval.
export function bar({ value, low, high, label }, top) {
  const x = (share) => (Math.min(share, top) / top) * 200;
  const drawing = svg("svg", { viewBox: "0 0 200 12", preserveAspectRatio: "none", role: "img" });
  if (value === null) return drawing;
  drawing.setAttribute("aria-label", `${label}: ${percent(value)}, from ${percent(low)} to ${percent(high)}`);
  drawing.append(
    svg("rect", { class: "bar", x: 0, y: 1, height: 10, width: Math.max(x(value), 0.5), rx: 2 }),
    svg("path", { class: "whisker", d: `M${x(low)} 6H${x(high)}M${x(low)} 3v6M${x(high)} 3v6` }),
  );
  return drawing;
}

export function percent(share) {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
