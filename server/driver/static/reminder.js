// Shows a reminder that the server sent, and opens the stay's page when it is tapped.
self.addEventListener("push", (event) => {
  const { title, body, url } = event.data.json();
  event.waitUntil(self.registration.showNotification(title, { body, data: url, icon: "/static/icon.svg", vibrate: [400, 200, 400], tag: url }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clients.openWindow(event.notification.data));
});
