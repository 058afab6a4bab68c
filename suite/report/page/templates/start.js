// Once everything is there: the parts of the page that need script appear.

if (data.points.mean) {
  document.getElementById("controls").hidden = false;
  document.getElementById("curves").hidden = false;
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  drawControls();
  drawTable();
  drawCurves();
  let wide = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== wide) drawCurves();
    wide = window.innerWidth;
  });
}
if (explored.images.length && explored.samples.length) startExplorer();
// What is closed would be missing on paper.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
