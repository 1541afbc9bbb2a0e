// Asks every second whether the application starts by now, and what it lacks; then shows that.
const asked = () => fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
let last = null;

setInterval(async () => {
  const answer = await asked();
  if (!answer) return; // It is just being started.
  const text = await answer.text();
  last ??= text;
  if (answer.status !== 503 || text !== last) location.replace(location.href);
}, 1000);
