/** An arrow drawn over everything: where the reader pulls, or what pushes. */
import {
  type BufferGeometry, ConeGeometry, CylinderGeometry, Group, Mesh, MeshBasicMaterial, type PerspectiveCamera,
  SphereGeometry, Vector3,
} from 'three';

const THICK = 0.004; // radius of the shaft in distances of the camera: about as thick on the screen wherever it is
const HEAD = 7; // shafts: length of the point
const EDGE = 0.45; // shafts: of white around it, for it lies on robots of any colour
const COLOUR = '#d6109c';
const UP = new Vector3(0, 1, 0); // three.js's cylinders and cones

export class Arrow {
  readonly group = new Group();
  private readonly geometries = [
    new SphereGeometry(1, 20, 14),
    new CylinderGeometry(1, 1, 1, 12).translate(0, 0.5, 0),
    new ConeGeometry(1, 1, 20).translate(0, -0.5, 0),
  ];
  private readonly layers: { material: MeshBasicMaterial; edge: number; ball: Mesh; shaft: Mesh; head: Mesh }[];
  private readonly along = new Vector3();

  /** `held`: with a sphere where it begins. */
  constructor(private readonly held: boolean) {
    this.layers = [EDGE, 0].map((edge, layer) => {
      // Transparent things are drawn last; without a test of depth, they are on top.
      const material = new MeshBasicMaterial({ color: edge ? '#ffffff' : COLOUR, transparent: true, fog: false });
      material.depthTest = material.depthWrite = false;
      const [ball, shaft, head] = this.geometries.map((geometry: BufferGeometry) => {
        const part = new Mesh(geometry, material);
        part.renderOrder = 1000 + layer;
        part.frustumCulled = false;
        this.group.add(part);
        return part;
      });
      return { material, edge, ball, shaft, head };
    });
    this.hide();
  }

  hide(): void { this.group.visible = false; }

  show(from: Vector3, to: Vector3, camera: PerspectiveCamera): void {
    const { along } = this;
    this.group.visible = true;
    const thick = THICK * camera.position.distanceTo(from);
    along.subVectors(to, from);
    const length = along.length();
    const point = Math.min(HEAD * thick, 0.6 * length); // of a short arrow not all is point
    if (length > 0) along.divideScalar(length);
    for (const { edge, ball, shaft, head } of this.layers) {
      const rim = edge * thick;
      ball.visible = this.held;
      ball.position.copy(from);
      ball.scale.setScalar(2.2 * thick + rim);
      shaft.visible = head.visible = length > thick;
      if (!head.visible) continue;
      shaft.quaternion.setFromUnitVectors(UP, along);
      head.quaternion.copy(shaft.quaternion);
      shaft.position.copy(from).addScaledVector(along, -rim);
      shaft.scale.set(thick + rim, length - point + rim, thick + rim);
      head.position.copy(to).addScaledVector(along, 2 * rim); // a rim as wide around a point reaches further at its tip
      head.scale.set(0.42 * point + rim, point + 3 * rim, 0.42 * point + rim);
    }
  }

  dispose(): void {
    this.group.removeFromParent();
    for (const geometry of this.geometries) geometry.dispose();
    for (const { material } of this.layers) material.dispose();
  }
}
