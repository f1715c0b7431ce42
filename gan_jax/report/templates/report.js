"use strict";

// Numbers in four digits, as the page has them.
const shown = (value) =>
  Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
const step = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

// Charts: a vertical line, and the values at its step in the legend.
for (const chart of document.querySelectorAll(".chart")) {
  const { first, last, lines } = JSON.parse(chart.querySelector("script").textContent);
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const plot = chart.querySelector(".plot");
  const cursor = chart.querySelector(".cursor");
  const values = chart.querySelectorAll(".value");
  let at = steps.length - 1;

  // What a line has at a step; else what was logged last before it.
  const reading = (line) => {
    const before = line.steps.filter((each) => each <= steps[at]).length - 1;
    if (before < 0) return "–";
    const value = line.values[before];
    const text = value === null ? "not a number" : shown(value);
    const logged = line.steps[before];
    return logged === steps[at] ? text : `${text} (${step(logged)})`;
  };
  const show = () => {
    const x = first === last ? 500 : (1000 * (steps[at] - first)) / (last - first);
    cursor.setAttribute("d", `M${x},0V1000`);
    chart.querySelector(".step").textContent = step(steps[at]);
    lines.forEach((line, number) => (values[number].textContent = reading(line)));
    plot.setAttribute("aria-valuenow", steps[at]);
    const texts = [...chart.querySelectorAll(".legend li")].map((each) => each.textContent);
    plot.setAttribute("aria-valuetext", texts.join(", ").replace(/\s+/g, " "));
  };
  const turn = (on) => cursor.toggleAttribute("hidden", !on);
  const rest = () => {
    at = steps.length - 1;
    show();
    turn(false);
  };
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-valuemin", first);
  plot.setAttribute("aria-valuemax", last);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const wanted = first + ((event.clientX - box.left) / box.width) * (last - first);
    const distance = (number) => Math.abs(steps[number] - wanted);
    at = steps.reduce((near, _, each) => (distance(each) < distance(near) ? each : near), 0);
    show();
    turn(true);
  });
  plot.addEventListener("pointerleave", rest);
  plot.addEventListener("blur", rest);
  plot.addEventListener("keydown", (event) => {
    const end = steps.length - 1;
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: end };
    if (!(event.key in moves)) return;
    event.preventDefault();
    at = Math.min(Math.max(moves[event.key], 0), end);
    show();
    turn(true);
  });
  show();
}

// Samples: one grid at a time.
for (const samples of document.querySelectorAll(".samples")) {
  const slider = samples.querySelector("input");
  const grids = [...samples.querySelectorAll("img")];
  const show = () => {
    grids.forEach((grid, number) => (grid.hidden = number !== Number(slider.value)));
    const text = grids[slider.value].dataset.step;
    samples.querySelector("output").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  };
  if (!slider) continue;
  slider.addEventListener("input", show);
  show(); // a browser may keep the slider's place when it loads the page anew
}

// Tables: a header's button sorts by its column, and then the other way round.
for (const table of document.querySelectorAll(".sortable")) {
  const headers = [...table.querySelectorAll("thead th")];
  const body = table.tBodies[0];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const before = header.getAttribute("aria-sort");
      const turned = before === "ascending" ? "descending" : "ascending";
      const order = before ? turned : header.dataset.first || "ascending";
      headers.forEach((each) => each.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => row.cells[column].dataset.value;
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === undefined)
          return sign * one.cells[column].textContent.trim().localeCompare(other.cells[column].textContent.trim());
        // What is missing comes last either way.
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * (a - b);
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
