#ifndef CUGAD_CUGAD_IMAGE_H
#define CUGAD_CUGAD_IMAGE_H

/// @file
/// Images from C: folders of PNG and JPEG files as rows of a detector, pictures of rows and of their residuals, and the
/// measure of heatmaps against masks. cugad/image.hpp documents them. A program that attaches the format of its images
/// to the detector (cugad_detector_attach, "format", cugad_image_reader_format) shares its models with the command.
///
/// A shape is a text, "28x28x1": height, width and channels, 1 (also if left out) or 3. A row has height x width x
/// channels values, pixel by pixel. Errors and handles are as in cugad_table.h.

#include "cugad/cugad_table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cugad_image_reader cugad_image_reader;

/* ---- Reading ---- */

/// Opens a folder of images. `options_json` is NULL, "" or one JSON object of fields of cugad::ImageOptions: "shape",
/// "files", "beside", "mark_errors". Strict, as cugad_detector_create is. CUGAD_ERROR_INPUT_OUTPUT for a folder that
/// cannot be read, CUGAD_ERROR_FORMAT for one without images.
CUGAD_API cugad_status cugad_image_reader_open(const char* folder, const char* options_json,
                                               cugad_image_reader** reader);
/// NULL is allowed.
CUGAD_API void cugad_image_reader_close(cugad_image_reader* reader);
/// The next images, at most `max_images`: a new table with the text columns "file" and "folder" (NULL at the end), and
/// one row of values from 0 to 255 for each of its rows, row_stride = columns. The rows belong to the reader: valid
/// until the next call of this function, or until the reader is closed.
CUGAD_API cugad_status cugad_image_reader_read(cugad_image_reader* reader, int64_t max_images, cugad_table** table,
                                               const float** x);
/// The number of images in the folder.
CUGAD_API cugad_status cugad_image_reader_images(cugad_image_reader* reader, int64_t* images);
/// The shape of the rows, and their columns; either may be NULL.
CUGAD_API cugad_status cugad_image_reader_shape(cugad_image_reader* reader, const char** shape, int64_t* columns);
/// The format of the rows as a JSON object, for an attachment.
CUGAD_API cugad_status cugad_image_reader_format(cugad_image_reader* reader, const char** json);
/// Notes for the user (skipped files), as a JSON list of lines.
CUGAD_API cugad_status cugad_image_reader_notes(cugad_image_reader* reader, const char** json);
/// Reads one file as a row of the shape, cropped and resized as those of a folder.
CUGAD_API cugad_status cugad_image_read(const char* path, const char* shape, float* row);

/* ---- Pictures ---- */

/// Writes a row of values from 0 to `white` as a PNG, atomically.
CUGAD_API cugad_status cugad_image_write(const char* path, const float* row, const char* shape, float white);
/// Writes the residuals of a row (cugad_detector_score_cells), summed over the channels of each pixel, over the row in
/// grey as a PNG, atomically; from `most` (above 0) on they have the brightest colour.
CUGAD_API cugad_status cugad_heatmap_write(const char* path, const float* row, const float* residuals,
                                           const char* shape, float most);

/* ---- Filling and measuring ---- */

/// cugad_detector_fill with the missing pixels (NaN) of images searched for by `steps` steps of Adam of size `rate`,
/// the weight `prior` of the discriminator and a window of `window` pixels; cugad_detector_fill takes 500, .03, .1
/// and 7. See Detector::inpaint in cugad/detector.hpp.
CUGAD_API cugad_status cugad_detector_inpaint(cugad_detector* detector, const float* x, int64_t rows, int64_t columns,
                                              int64_t row_stride, int32_t steps, float rate, float prior,
                                              int32_t window, float* filled);
/// Per-region overlap (PRO) of heatmaps with masks: `images` of height x width pixels each, a mask's pixel not 0 where
/// it is anomalous, a score per pixel, integrated up to the share `limit` of false alarms (the command: .3). See
/// cugad::metrics::region_overlap.
CUGAD_API cugad_status cugad_region_overlap(const uint8_t* masks, const float* scores, int64_t images, int64_t height,
                                            int64_t width, double limit, double* overlap);

#ifdef __cplusplus
}
#endif

#endif
