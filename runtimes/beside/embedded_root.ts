// The embedded models lie beside the bundle.
export const EMBEDDED_ROOT: URL = new URL("./models/", import.meta.url);
