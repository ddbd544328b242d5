"use strict";
(function () {
  const asNumber = (text) => {
    const number = parseFloat(text.replace(/,/g, ""));
    return Number.isNaN(number) ? -Infinity : number;
  };
  const sortBy = (table, column, header) => {
    const rising = header.getAttribute("aria-sort") !== "ascending";
    table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const numeric = header.classList.contains("number");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row, place) => ({ row, place, text: row.cells[column].textContent }));
    rows.sort((a, b) => {
      const order = numeric ? asNumber(a.text) - asNumber(b.text) : a.text.localeCompare(b.text);
      return (rising ? order : -order) || a.place - b.place;
    });
    rows.forEach((entry) => body.appendChild(entry.row));
  };
  document.querySelectorAll("table").forEach((table) => {
    table.querySelectorAll("th").forEach((header, column) => {
      header.addEventListener("click", () => sortBy(table, column, header));
      // a button element would keep the header from being repeated on each printed page
      header.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          sortBy(table, column, header);
        }
      });
    });
  });
  const narrow = (id) => {
    const word = document.querySelector(`[data-filter="${id}"]`).value.toLowerCase();
    const verdict = document.querySelector(`[data-verdict="${id}"]`).value;
    let shown = 0;
    Array.from(document.getElementById(id).tBodies[0].rows).forEach((row) => {
      const fits = row.textContent.toLowerCase().includes(word) &&
        (!verdict || row.cells[0].dataset.value === verdict);
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    document.querySelector(`[data-count="${id}"]`).textContent = `${shown} rows`;
  };
  document.querySelectorAll("[data-filter]").forEach((box) => box.addEventListener("input", () => narrow(box.dataset.filter)));
  document.querySelectorAll("[data-verdict]").forEach((box) => box.addEventListener("change", () => narrow(box.dataset.verdict)));
  document.querySelectorAll(".long").forEach((cell) => cell.addEventListener("click", () => cell.classList.toggle("open")));
  const dialog = document.getElementById("zoom");
  document.querySelectorAll(".zoom").forEach((button) => button.addEventListener("click", () => {
    const image = button.querySelector("img");
    const large = dialog.querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
    dialog.showModal();
  }));
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) { dialog.close(); } });
})();
