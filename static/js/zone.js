// Tells the server in which zone this browser reads times; the account's choice comes first.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`aegis_zone=${zone}`)) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `aegis_zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
}
