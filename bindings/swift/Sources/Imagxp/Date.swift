import Foundation

/// Milliseconds since 1970, as the protocol counts. A `Date` is a floating-point number, so the nearest one is taken; what lies outside
/// the range, or is no number, becomes its nearest end instead of a trap.
func millisecondsFromDate(_ date: Date) -> Int64 {
    let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
    if milliseconds.isNaN || milliseconds <= Double(Int64.min) { return Int64.min }
    return Int64(exactly: milliseconds) ?? Int64.max
}

/// The inverse of `millisecondsFromDate`, exact to the millisecond for many thousand years.
func dateFromMilliseconds(_ milliseconds: Int64) -> Date {
    Date(timeIntervalSince1970: Double(milliseconds) / 1000)
}
