// Counts a time down on the page, from the server's count: this phone's clock may be wrong.
const two = (number) => String(Math.floor(number)).padStart(2, "0");

export function countDown(element, onSecond = () => {}) {
  const end = performance.now() + Number(element.dataset.seconds) * 1000;
  const tick = setInterval(() => {
    const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    element.textContent = [...(seconds < 3600 ? [] : [Math.floor(seconds / 3600)]), two(seconds / 60 % 60), two(seconds % 60)].join(":");
    onSecond(seconds);
    if (seconds === 0) { clearInterval(tick); location.reload(); }
  }, 500);
}
