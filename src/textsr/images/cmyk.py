"""Colours of ink as colours of light."""

from io import BytesIO

from PIL import Image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a CMYK image to sRGB, by its ICC profile if it has one that serves.

    Relative colorimetric with black point compensation, as printing programs show it: paper becomes
    white and the darkest ink black.
    """
    profile = image.info.get("icc_profile")
    if not profile or profile[16:20] != b"CMYK":
        return image.convert("RGB")
    from PIL import ImageCms  # loads a library that no other image needs

    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):  # a damaged profile
        return image.convert("RGB")
    return converted or image.convert("RGB")
