public import Roots

/// Which image of the store a job gets.
public enum ImageChoice {
    /// The image that the first name means which is given.
    ///
    /// - Parameter names: In order of precedence; nil is not given.
    /// - Throws: ``JobError/noImage(known:)``, ``JobError/malformedImage(_:known:)``, ``RootError`` when there is no such
    ///   image or it is no operating system.
    public static func image(_ names: [String?], in store: Store) throws -> Image {
        guard let text = names.compactMap(\.self).first else { throw JobError.noImage(known: try known(store)) }
        guard let reference = ImageReference(text), let first = reference.candidates.first else {
            throw JobError.malformedImage(text, known: try known(store))
        }
        let present = Set(try known(store))
        return try store.image(named: reference.candidates.first { present.contains($0) } ?? first)
    }

    private static func known(_ store: Store) throws -> [Name] { try store.images().map(\.name) }
}
