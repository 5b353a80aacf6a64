// Pictures on their way into a conversation: checked as the server will check
// them, so that a person is told before anything is sent.

import { mebibytes } from './dom.js';

export const maxPictures = 8; // of one conversation
export const maxPictureBytes = 20 << 20;
export const maxRequestBytes = 32 << 20;
const maxPixels = 40_000_000;
const maxSide = 16384;
const previewSide = 1280;

// By the first bytes, as the server does; a file's name proves nothing.
export function mimeTypeOf(bytes) {
  const text = String.fromCharCode(...bytes.subarray(0, 12));
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (text.startsWith('RIFF') && text.slice(8) === 'WEBP') return 'image/webp';
  if (text.startsWith('BM')) return 'image/bmp';
  return '';
}

// A picture: {name, bytes, width, height, dataUrl, thumbnailUrl, preview}; the
// preview is a canvas of at most 1280 pixels a side. Throws an Error whose
// message is for a person. `isUpright`: turn it as its EXIF data says.
export async function readPicture(file, isUpright) {
  const name = file.name || 'picture';
  const type = mimeTypeOf(new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (!type) throw new Error(`${name} is no JPEG, PNG, WebP or BMP picture.`);
  if (file.size > maxPictureBytes) {
    throw new Error(`${name} has ${mebibytes(file.size)}; a picture may have 20 MiB.`);
  }
  const blob = new Blob([file], { type });
  const bitmap = await decode(blob, name, isUpright);
  const { width, height } = bitmap;
  try {
    if (width > maxSide || height > maxSide || width * height > maxPixels) {
      throw new Error(
        `${name} has ${width} × ${height} pixels; at most 40 million, and 16,384 a side.`,
      );
    }
    return {
      name,
      width,
      height,
      bytes: file.size,
      dataUrl: await dataUrlOf(blob),
      thumbnailUrl: URL.createObjectURL(blob),
      preview: previewOf(bitmap),
    };
  } finally {
    bitmap.close();
  }
}

export function forget(picture) {
  URL.revokeObjectURL(picture.thumbnailUrl);
}

async function decode(blob, name, isUpright) {
  try {
    return await createImageBitmap(blob, { imageOrientation: isUpright ? 'from-image' : 'none' });
  } catch {
    throw new Error(`${name} cannot be read as a picture.`);
  }
}

function dataUrlOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error('the file cannot be read.'));
    reader.readAsDataURL(blob);
  });
}

function previewOf(bitmap) {
  const scale = Math.min(1, previewSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d', { alpha: false });
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}
