// What a first visitor can ask: pictures of coloured shapes, drawn here, which
// are among what the demo model knows.

const shapes = {
  circle(path, r) {
    path.arc(0, 0, 0.92 * r, 0, 2 * Math.PI);
  },
  square(path, r) {
    path.rect(-0.8 * r, -0.8 * r, 1.6 * r, 1.6 * r);
  },
  star(path, r) {
    for (let point = 0; point < 10; ++point) {
      const radius = point % 2 ? 0.42 * r : r;
      const angle = (point * Math.PI) / 5;
      path.lineTo(radius * Math.sin(angle), -radius * Math.cos(angle));
    }
    path.closePath();
  },
  triangle(path, r) {
    path.moveTo(0, -r);
    path.lineTo(0.95 * r, 0.75 * r);
    path.lineTo(-0.95 * r, 0.75 * r);
    path.closePath();
  },
};

export const examples = [
  {
    question: 'What is in the picture?',
    picture: {
      name: 'star and circle.png',
      width: 640,
      height: 480,
      ground: ['#647896', '#8c9cb6'],
      things: [
        ['star', '#ffff00', 330, 130, 84, 0.1],
        ['circle', '#0000ff', 300, 350, 80, 0],
      ],
    },
  },
  {
    question: 'How many red circles are there?',
    picture: {
      name: 'counting.png',
      width: 800,
      height: 600,
      ground: ['#f4f4f2', '#e6e8ec'],
      things: [
        ['circle', '#dc2323', 150, 160, 96, 0],
        ['circle', '#dc2323', 420, 430, 104, 0],
        ['circle', '#dc2323', 650, 180, 100, 0],
        ['square', '#008c1e', 160, 440, 92, 0.1],
        ['triangle', '#1e5adc', 660, 450, 100, 0],
      ],
    },
  },
  { question: 'Who are you?' },
];

export function draw({ width, height, ground, things }) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { alpha: false });
  const fill = context.createLinearGradient(0, 0, 0, height);
  ground.forEach((colour, index) => fill.addColorStop(index, colour));
  context.fillStyle = fill;
  context.fillRect(0, 0, width, height);
  for (const [shape, colour, x, y, radius, angle] of things) {
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    context.fillStyle = colour;
    context.beginPath();
    shapes[shape](context, radius);
    context.fill();
    context.restore();
  }
  return canvas;
}

export async function fileOf(picture) {
  const blob = await new Promise((resolve) => draw(picture).toBlob(resolve, 'image/png'));
  return new File([blob], picture.name, { type: 'image/png' });
}
