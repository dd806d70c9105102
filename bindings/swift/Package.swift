// swift-tools-version: 6.0
import PackageDescription

#if os(Linux)
    // `cargo build --release --package imagxp-swift` makes the library; IMAGXP_SWIFT_LIBRARY names another place of it.
    let library =
        Context.environment["IMAGXP_SWIFT_LIBRARY"]
        ?? "\(Context.packageDirectory)/../../target/release/libimagxp_swift.a"
    let core = Target.systemLibrary(name: "ImagxpFFI", path: "Sources/ImagxpFFI")
    let linker: [LinkerSetting] = [.unsafeFlags(["-Xlinker", library])]
#else
    // scripts/xcframework.sh makes it: the same library for macOS, iOS and its simulator.
    let core = Target.binaryTarget(name: "ImagxpFFI", path: "build/ImagxpFFI.xcframework")
    let linker: [LinkerSetting] = []
#endif

let package = Package(
    name: "Imagxp",
    platforms: [.macOS(.v12), .iOS(.v15)],
    products: [.library(name: "Imagxp", targets: ["Imagxp"])],
    targets: [
        core,
        .target(name: "Imagxp", dependencies: ["ImagxpFFI"], linkerSettings: linker),
        .testTarget(name: "ImagxpTests", dependencies: ["Imagxp"]),
    ]
)
