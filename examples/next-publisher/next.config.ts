import type { NextConfig } from 'next'

const config: NextConfig = {
  // The package has a native addon: it is loaded by Node, not bundled.
  serverExternalPackages: ['imagxp'],
  turbopack: { root: import.meta.dirname },
}

export default config
