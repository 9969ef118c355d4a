// Before anything is painted: the theme that its reader chose, if one was chosen.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
