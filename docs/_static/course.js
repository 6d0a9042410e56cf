// Names of buttons as they are read on the screen, and tables that a keyboard can scroll.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".search-button__button").forEach((button) => {
    button.setAttribute("aria-label", button.innerText.replace(/\s+/g, " ").trim() || "Search");
  });
  document.querySelectorAll("details.hide summary").forEach((summary) => summary.removeAttribute("aria-label"));
  document.querySelectorAll(".cell_output table, div.math").forEach((wide) => wide.setAttribute("tabindex", "0"));
});
