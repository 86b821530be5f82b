// Arrow keys lead from the search for a service function into what it found, and back.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches?.("#field-service, .ag-service")) return;
  const stops = [...document.querySelectorAll("#field-service, .ag-service")];
  const next = stops[stops.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});
