// swift-tools-version: 6.0
import PackageDescription

// The folder is not called `swift`: SwiftPM names packages by their folders, and the binding's is.
let package = Package(
    name: "reader",
    platforms: [.macOS(.v12)],
    dependencies: [.package(path: "../../../bindings/swift")],
    targets: [
        .executableTarget(name: "reader", dependencies: [.product(name: "Imagxp", package: "swift")])
    ]
)
