// Tables sort by a click on a heading, within each group of rows. Without this script they stand as they were written.
(function () {
  "use strict";
  function value(row, column) {
    var text = row.cells[column].textContent.trim();
    var found = text.replace(/,/g, "").match(/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i);
    return { text: text, number: found ? parseFloat(found[0]) : NaN };
  }
  function compare(a, b, up) {
    var numbers = [a.number, b.number].filter(function (one) { return !isNaN(one); }).length;
    if (numbers === 2 && a.number !== b.number) { return up ? a.number - b.number : b.number - a.number; }
    if (numbers === 1) { return isNaN(a.number) ? 1 : -1; }
    return up ? a.text.localeCompare(b.text) : b.text.localeCompare(a.text);
  }
  function sort(table, column, up) {
    Array.prototype.forEach.call(table.tBodies, function (body) {
      var rows = Array.prototype.filter.call(body.rows, function (row) { return !row.querySelector("th"); });
      rows.map(function (row) { return { row: row, value: value(row, column) }; })
        .sort(function (a, b) { return compare(a.value, b.value, up); })
        .forEach(function (one) { body.appendChild(one.row); });
    });
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.tHead.rows[table.tHead.rows.length - 1].cells;
    Array.prototype.forEach.call(heads, function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.title = "sort";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        Array.prototype.forEach.call(heads, function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(table, column, up);
      });
    });
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.print").forEach(function (one) { one.open = true; });
  });
})();
