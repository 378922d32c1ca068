"use strict";
for (const compare of document.querySelectorAll(".compare")) {
  const range = compare.querySelector("input");
  const show = () => {
    compare.style.setProperty("--split", range.value + "%");
    range.setAttribute("aria-valuetext", Math.round(range.value) + " percent before");
  };
  range.addEventListener("input", show);
  show();
}
