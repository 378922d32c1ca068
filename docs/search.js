// The search takes a word that begins with a dash as one to leave out: `--resume` found nothing.
document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-md-component=search-query]") && /(^|\s)-/.test(target.value)) {
    target.value = target.value.replace(/(^|\s)-+/g, "$1");
  }
}, true);
